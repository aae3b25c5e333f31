// Makes the JSON Schema of the YAML file from the tables of settings, so that an editor reports what the relay would.
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import { type JsonSchema, TEXT } from './parsers.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import type { Setting } from './settings.ts';

type AnySetting = Setting<unknown>;

/** The JSON Schema as an object. */
export function settingsFileSchema(): JsonSchema {
  const domain = schemasOf(DOMAIN_SETTINGS, (name) => name.toLowerCase());
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'MTE Relay settings',
    description:
      'The file that CONFIG_FILE or --config names. Every setting NAME may be given as NAME_FILE, the path of a file.',
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
    schemas[spell(`${name}_FILE`)] = { type: 'string', description: `Path of a file that contains ${name}.` };
  }
  return schemas;
}

/** A secret in digits needs quotes: YAML would read a number, without the last of many digits. */
function valueSchema({ yaml, secret }: AnySetting): JsonSchema {
  return secret && yaml === TEXT ? { type: ['string', 'null'] } : yaml;
}
