// Parsers of settings about header fields: those that the operator adds, and names of those that may cross.
import { TOKEN } from '@mte-relay/protocol';
import * as z from 'zod';
import { plainName } from '../http/caller-fields.ts';
import { converted, type Parser, ruled } from './parsers.ts';

/** The relay itself sets these, or they describe one hop or one body: on every message they would be wrong. */
const RESERVED_FIELD =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|host|date|vary|content-(?:length|type|encoding|range)|set-cookie|cookie|forwarded|x-forwarded-.*|access-control-.*|via|mte-relay-.*)$/;

type NamedValues = (readonly [name: string, value: string])[];

/** Header fields, names in lower case. */
export const fields: Parser<NamedValues> = fieldsParser(
  'a JSON object of header names and strings in ASCII, without headers of one connection or one body and headers that ' +
    'the relay sets',
  () => undefined,
);

/** Header fields that clients see too. */
export const shownFields: Parser<NamedValues> = fieldsParser(
  'a JSON object as that of REQUEST_HEADERS, without names of credentials',
  (name) => (CREDENTIAL.test(plainName(name.toLowerCase())) ? SHOWN_TO_CLIENTS : undefined),
);

function fieldsParser(expected: string, refuse: (name: string) => string | undefined): Parser<NamedValues> {
  return {
    schema: z
      .string()
      .transform(parseJson)
      .pipe(z.record(z.string(), z.unknown()))
      .superRefine((object, context) => {
        for (const [at, [name, value]] of Object.entries(object).entries()) {
          const issue = fieldIssue(at, name, value, refuse);
          if (issue !== undefined) context.addIssue({ code: 'custom', ...issue });
        }
      })
      .transform((object) =>
        Object.entries(object).map(([name, value]) => [name.toLowerCase(), String(value)] as const),
      ),
    expected,
    yaml: { type: ['object', 'string', 'null'], additionalProperties: { type: 'string' } },
  };
}

interface FieldIssue {
  readonly path: PropertyKey[];
  readonly input: unknown;
  readonly message: string;
}

function fieldIssue(
  at: number,
  name: string,
  value: unknown,
  refuse: (name: string) => string | undefined,
): FieldIssue | undefined {
  // The name may be a misplaced secret, so that its index stands for it.
  if (!TOKEN.test(name)) return { path: [at], input: name, message: 'a header name (token of RFC 9110)' };
  const field = { path: [name], input: value };
  if (RESERVED_FIELD.test(plainName(name.toLowerCase()))) {
    const message = 'a header that neither belongs to one connection or one body nor is set by the relay';
    return { ...field, message };
  }
  const refused = refuse(name);
  if (refused !== undefined) return { ...field, message: refused };
  const isValue = typeof value === 'string' && /^[\t\x20-\x7e]*$/.test(value);
  return isValue ? undefined : { ...field, message: 'a string of visible ASCII, spaces and tabs' };
}

/** Names of credentials, compared with "-" for "_". A response with one would show it to every client, and in clear. */
const CREDENTIAL =
  /api-?key|token|secret|passw(?:or)?d|passphrase|credential|authoriz|bearer|(?:access|account|auth|functions?|host|master|private|session|shared|subscription)-?key|(?:^|-)(?:auth|jwt)$/;

const SHOWN_TO_CLIENTS =
  'a header that clients may see; REQUEST_HEADERS sends one with a credential to the upstream alone';

/** Fields that follow the message, or that other settings and the relay itself decide. */
const NEVER_NAMED =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|host|proxy|proxy-.*|http2-settings|content-(?:length|type|encoding|range)|cookie|set-cookie|forwarded|x-forwarded-(?:for|proto|host)|x-request-id|via|x-original-url|x-rewrite-url|sec-websocket-.*|mte-relay-.*)$/;

/** The name of a header, in lower case. */
export const fieldName: Parser<string> = converted(
  ruled(
    'a header name',
    ['in characters of a token (RFC 9110)', (text) => TOKEN.test(text)],
    [
      'that no other setting, the relay itself or the connection decides',
      (text) => !NEVER_NAMED.test(plainName(text.toLowerCase())),
    ],
  ),
  (text) => text.toLowerCase(),
);

/** A value that is not an object when the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
