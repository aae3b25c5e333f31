// Parsers of the settings' texts, each from one kind of text to its value.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { canonicalTarget } from '../http/target.ts';

export const list = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

export const httpOrigin: z.ZodType<string, string> = z.string().refine((text) => {
  const url = parseUrl(text);
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === text;
});

export const httpUrl: z.ZodType<URL | undefined, string | undefined> = z
  .string()
  .refine((text) => /^https?:$/.test(parseUrl(text)?.protocol ?? ''))
  .transform((text) => new URL(text))
  .optional();

export const upstream: z.ZodType<URL, string> = z
  .string()
  .refine((text) => {
    const url = parseUrl(text);
    return (
      url !== undefined &&
      /^https?:$/.test(url.protocol) &&
      url.search === '' &&
      url.hash === '' &&
      url.username === '' &&
      url.password === ''
    );
  })
  .transform((text) => new URL(text));

const CERTIFICATE = /-----BEGIN [A-Z ]*CERTIFICATE-----[\s\S]+?-----END [A-Z ]*CERTIFICATE-----/g;

/** Certificates one behind another, with whatever is said between them. What cannot be read would fail each connection. */
export const certificates: z.ZodType<string, string> = z.string().refine((text) => {
  const each = text.match(CERTIFICATE) ?? [];
  return each.length > 0 && each.every((pem) => canMake(() => new X509Certificate(pem)));
});

export const privateKey: z.ZodType<string, string> = z.string().refine((text) => canMake(() => createPrivateKey(text)));

export const integer = (fallback: number, min: number, max: number): z.ZodType<number, string | undefined> =>
  z
    .string()
    .default(String(fallback))
    .refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max)
    .transform(Number)
    .meta({ minimum: min, maximum: max });

export const PAIRS_EXPECTED = 'comma-separated name=value, values percent-encoded where they must be';
export const pairs: z.ZodType<string[], string | undefined> = z
  .string()
  .default('')
  .transform(list)
  .pipe(z.array(z.string().regex(/^[^=\s]+=(?:[^%]|%[0-9A-Fa-f]{2})*$/)));

export const ROUTES_EXPECTED: string =
  'comma-separated paths that start with "/", without query and dot segments; a "*" at the end, and nowhere else, matches ' +
  'any rest';
export const TOKEN: RegExp = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
export const METHOD: RegExp = /^[!#$%&'+\-.^_`|~0-9A-Za-z]+$/; // the same but for "*", which would be no wildcard
export const FIELD_VALUE: RegExp = /^[\t\x20-\x7e]*$/;
export const SEED: RegExp = /^[A-Za-z0-9+/]{43}=?$/; // 32 bytes in base64

// Names that the relay says itself or that belong to one hop or one body: on every message they could only be wrong.
export const NOT_OWN_FIELD: RegExp =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|host|date|vary|content-(?:length|type|encoding|range)|set-cookie|cookie|forwarded|x-forwarded-.*|access-control-.*|mte-relay-.*)$/i;

/** In the form that paths have when they are matched; what no path could match is refused. */
export const route: z.ZodType<string, string> = z
  .string()
  .refine(
    (text) =>
      /^\/[\x21-\x7e]*$/.test(text) && !/[?#]|\*./.test(text) && canonicalTarget(text.replace(/\*$/, '')) !== undefined,
  )
  .transform((text) => canonicalTarget(text.replace(/\*$/, '')) + (text.endsWith('*') ? '*' : ''));

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function canMake(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}

/** A value that no schema accepts when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
