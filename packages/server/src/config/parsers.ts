// Builds parsers of the settings' texts. Each parser makes its check, the "expected …" of its refusals and its JSON Schema
// from the same ranges and rules.
import * as z from 'zod';

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** How one kind of text becomes a value. */
export interface Parser<T, Text extends string | undefined = string> {
  /** The message of each issue completes "expected …" for the path of the issue. */
  readonly schema: z.ZodType<T, Text>;
  /** The form of a valid text; completes "expected …". */
  readonly expected: string;
  /** What the YAML file may hold: the text, or the value as YAML writes it. */
  readonly yaml: JsonSchema;
}

/** A requirement in words, and the check of it. */
export type Rule = readonly [requirement: string, isMet: (text: string) => boolean];

/** Text, or a number that YAML reads from it. */
export const TEXT: JsonSchema = { type: ['string', 'number', 'null'] };

/** A parser of a setting that may be left out. */
export function optional<T>(parser: Parser<T>): Parser<T | undefined, string | undefined> {
  return { ...parser, schema: parser.schema.optional() };
}

/** A parser of a setting with a default, given as its text or as the number that the text would be. */
export function withDefault<T>(value: string | number, parser: Parser<T>): Parser<T, string | undefined> {
  return { ...parser, schema: parser.schema.prefault(String(value)) };
}

/** Text that passes one check, as it is. */
export function checked(expected: string, isValid: (text: string) => boolean): Parser<string> {
  return { schema: z.string().refine(isValid, expected), expected, yaml: TEXT };
}

/** Text that keeps several rules; a refusal names the first one that is broken. */
export function ruled(noun: string, ...rules: readonly Rule[]): Parser<string> {
  const schema = rules.reduce(
    (checks, [requirement, isMet]) => checks.refine(isMet, { error: `${noun} ${requirement}`, abort: true }),
    z.string(),
  );
  return { schema, expected: `${noun} ${rules.map(([requirement]) => requirement).join(', ')}`, yaml: TEXT };
}

/** The value of another parser, converted. */
export function converted<T, U>(parser: Parser<T>, convert: (value: T) => U): Parser<U> {
  return { ...parser, schema: parser.schema.transform(convert) };
}

/** Any text at all. */
export function anyText(expected: string): Parser<string> {
  return checked(expected, () => true);
}

/** One of some words. */
export function choice<const Word extends string>(...words: readonly Word[]): Parser<Word> {
  const natural = words.includes('true' as Word) ? [true, false] : [];
  return {
    schema: z.enum(words),
    expected: words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`,
    yaml: { enum: [...words, ...natural, '', null] },
  };
}

interface NumberRange {
  readonly min: number;
  readonly max: number;
}

/** The sentence of a range, and the check of it. */
function inRange({ min, max }: NumberRange): Rule {
  return [`from ${min} to ${max}`, (text) => Number(text) >= min && Number(text) <= max];
}

/** A whole number in decimal digits. @param range its ends included, and what it counts. */
export function integer(range: NumberRange & { readonly unit: string }): Parser<number> {
  const [words, isInRange] = inRange(range);
  const parser = checked(
    `an integer ${words} (${range.unit})`,
    (text) => /^\d{1,16}$/.test(text) && isInRange(text), // 16 digits hold every safe integer
  );
  const yaml = { type: ['integer', 'string', 'null'], pattern: '^\\d*$', minimum: range.min, maximum: range.max };
  return { ...converted(parser, Number), yaml };
}

/** A number that may have a fraction or an exponent. @param range its ends included. */
export function decimal(range: NumberRange): Parser<number> {
  const [words, isInRange] = inRange(range);
  const parser = checked(
    `a decimal number ${words}`,
    (text) => /^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) && isInRange(text),
  );
  return {
    ...converted(parser, Number),
    yaml: { type: ['number', 'string', 'null'], minimum: range.min, maximum: range.max },
  };
}

/** One of some words, or a number. */
export function choiceOr<const Word extends string>(
  words: readonly Word[],
  number: Parser<number>,
): Parser<Word | number> {
  const isWord = (text: string): text is Word => words.includes(text as Word);
  const parser = checked(
    `${words.join(', ')}, or ${number.expected}`,
    (text) => isWord(text) || number.schema.safeParse(text).success,
  );
  return {
    ...converted(parser, (text) => (isWord(text) ? text : number.schema.parse(text))),
    yaml: { ...number.yaml, pattern: `^(?:${words.join('|')}|\\d*)$` },
  };
}

interface CountRange {
  readonly min?: number;
  /** Undefined: any number. */
  readonly max?: number;
}

function countInWords({ min = 0, max }: CountRange): string {
  return max === undefined ? `at least ${min}` : `${min} to ${max}`;
}

/** So many characters of a kind, which the pattern matches; default: any. */
export function characters(count: CountRange, kind: string, pattern?: RegExp): Parser<string> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = count;
  return checked(
    `${countInWords(count)} ${kind}`,
    (text) => text.length >= min && text.length <= max && (pattern?.test(text) ?? true),
  );
}

/** Items between commas; empty ones do not count. */
export function list<T>(item: Parser<T>, count: CountRange = {}): Parser<T[]> {
  const { min = 0, max } = count;
  const items = z.array(item.schema).min(min);
  const ofCount = min > 0 || max !== undefined ? ` of ${countInWords(count)} item${(max ?? min) === 1 ? '' : 's'}` : '';
  return {
    schema: z
      .string()
      .transform((text) =>
        text
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== ''),
      )
      .pipe(max === undefined ? items : items.max(max)),
    expected: `a comma-separated list${ofCount}, each ${item.expected}`,
    yaml: {
      type: ['array', 'string', 'null'],
      items: { type: 'string' },
      ...(min > 0 && { minItems: min }),
      ...(max !== undefined && { maxItems: max }),
    },
  };
}
