// The JSON Schema of the YAML file, made from the tables of settings, so that an editor says what the relay would say.
import * as z from 'zod';
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import type { Setting } from './settings.ts';

type JsonSchema = Readonly<Record<string, unknown>>;
type AnySetting = Setting<unknown>;

/** The schema as an object to be written. */
export function settingsFileSchema(): JsonSchema {
  const domain = schemasOf(DOMAIN_SETTINGS, (name) => name.toLowerCase());
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'MTE Relay settings',
    description:
      'The file that CONFIG_FILE or --config names. Any setting may stand as NAME_FILE, the path of its value.',
    type: 'object',
    additionalProperties: false,
    properties: {
      ...schemasOf(DOMAIN_SETTINGS, (name) => name),
      ...schemasOf(PROCESS_SETTINGS, (name) => name),
      DOMAIN_MAP: {
        description: 'Domains by inbound host, instead of UPSTREAM.',
        type: ['object', 'string'],
        minProperties: 1,
        additionalProperties: { type: 'object', additionalProperties: false, properties: domain },
      },
      DOMAIN_MAP_FILE: { type: 'string' },
    },
    not: { required: ['UPSTREAM', 'DOMAIN_MAP'] },
  };
}

function schemasOf(table: Readonly<Record<string, AnySetting>>, spell: (name: string) => string): JsonSchema {
  const schemas: Record<string, JsonSchema> = {};
  for (const [name, setting] of Object.entries(table)) {
    schemas[spell(name)] = { description: `${setting.effect} Expected: ${setting.expected}.`, ...valueSchema(setting) };
    schemas[spell(`${name}_FILE`)] = { type: 'string', description: `Path of a file that holds ${name}.` };
  }
  return schemas;
}

/** What a value may be: the variable's text, always, and what YAML has for it. */
function valueSchema(setting: AnySetting): JsonSchema {
  const shape = shapeOf(setting.schema);
  switch (shape.kind) {
    case 'integer':
      return { type: ['integer', 'string', 'null'], pattern: '^\\d*$', ...shape.range };
    case 'choice': {
      const isFlag = shape.options.includes('true');
      return { enum: [...shape.options, ...(isFlag ? [true, false] : []), '', null] };
    }
    case 'list':
      return {
        type: ['array', 'string', 'null'],
        items: { type: 'string' },
        ...(!takesNone(setting) && { minItems: 1 }),
      };
    case 'fields':
      return { type: ['object', 'string', 'null'], additionalProperties: { type: 'string' } };
    default:
      return { type: setting.secret ? ['string', 'null'] : ['string', 'number', 'null'] };
  }
}

/** Whether a list may be empty. */
function takesNone({ schema }: AnySetting): boolean {
  return schema.safeParse(',').success;
}

type Shape =
  | { readonly kind: 'integer'; readonly range: JsonSchema }
  | { readonly kind: 'choice'; readonly options: readonly string[] }
  | { readonly kind: 'list' | 'fields' | 'text' };

/** What a setting's parser makes of its text, which says how YAML would write it. */
function shapeOf(schema: unknown): Shape {
  if (!(schema instanceof z.ZodType)) return { kind: 'text' };
  const range = schema.meta();
  if (range && 'minimum' in range) {
    return { kind: 'integer', range: { minimum: range['minimum'], maximum: range['maximum'] } };
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return shapeOf(schema.unwrap());
  if (schema instanceof z.ZodEnum) return { kind: 'choice', options: schema.options.map(String) };
  if (schema instanceof z.ZodArray) return { kind: 'list' };
  if (schema instanceof z.ZodRecord) return { kind: 'fields' };
  if (!(schema instanceof z.ZodPipe)) return { kind: 'text' };
  const out = shapeOf(schema.out);
  return out.kind === 'text' ? shapeOf(schema.in) : out;
}
