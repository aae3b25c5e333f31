// Compares what a case asks for with what came: at the caller, and at the backend. Every difference is a sentence.
import type { RequestSeen } from './backend.ts';
import {
  type BytesSeen,
  bytesSeen,
  type ErrorSeen,
  type FetchCase,
  type FormEntry,
  type Gives,
  type GivesError,
  type GivesResponse,
  type Outcome,
  patternOf,
  type Seen,
} from './format.ts';

/** The differences of one run; empty when there are none. @param base as given to `runFetchCase`. */
export async function differences(
  fetchCase: Pick<FetchCase, 'seen' | 'gives'>,
  base: string,
  outcome: Outcome,
  seen: readonly RequestSeen[],
): Promise<string[]> {
  return [...givenDifferences(fetchCase.gives, base, outcome), ...(await seenDifferences(fetchCase.seen, seen))];
}

/** Stands for any statusText: over HTTP/1.1 the platform's own fetch gives the backend's words, over HTTP/2 none. */
const ANY_STATUS_TEXT = '*';

/** The case as the platform's own fetch is to give it, straight to the backend. */
export function platformExpectation({ seen, gives, platform }: FetchCase): Pick<FetchCase, 'seen' | 'gives'> {
  const given = platform?.gives ?? gives;
  return { seen: platform?.seen ?? seen, gives: 'status' in given ? { ...given, statusText: ANY_STATUS_TEXT } : given };
}

function givenDifferences(gives: Gives, base: string, { error, response }: Outcome): string[] {
  if (!('status' in gives)) return error ? errorDifferences(gives, error) : ['the call did not fail'];
  if (!response) return [`the call failed: ${error?.message}`];
  return responseDifferences(gives, base, response);
}

function responseDifferences(gives: GivesResponse, base: string, response: NonNullable<Outcome['response']>): string[] {
  const { status, statusText = '', url = '', redirected = false, headers, body } = gives;
  const found: string[] = [];
  const same = (what: string, actual: unknown, expected: unknown): void => {
    if (actual !== expected) found.push(`${what} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  };
  same('status', response.status, status);
  same('ok', response.ok, status >= 200 && status <= 299);
  if (statusText !== ANY_STATUS_TEXT) same('statusText', response.statusText, statusText);
  same('url', response.url, base + url);
  same('redirected', response.redirected, redirected);
  found.push(...fieldDifferences('response', headers, Object.fromEntries(response.headers)));
  same('null body', response.bodyIsNull, body === null);
  if (gives.bodyError) {
    const failed = response.bodyError;
    return found.concat(failed ? errorDifferences(gives.bodyError, failed) : ['reading the body did not fail']);
  }
  if (response.bodyError) return found.concat(`reading the body failed: ${response.bodyError.message}`);
  found.push(...bytesDifferences('response', body ?? { text: '' }, response.body as BytesSeen));
  same('clone agrees', response.cloneAgrees, true);
  same('second reading is refused', response.readTwice, true);
  return found;
}

function errorDifferences(gives: GivesError, error: ErrorSeen): string[] {
  const found: string[] = [];
  if (gives.typeError && !error.typeError) found.push(`expected a TypeError: ${error.message}`);
  if (gives.reason && !error.reason) found.push(`expected the reason itself: ${error.message}`);
  if (gives.code !== undefined && error.code !== gives.code) found.push(`code ${error.code}, expected ${gives.code}`);
  return found;
}

async function seenDifferences(expected: readonly Seen[], actual: readonly RequestSeen[]): Promise<string[]> {
  if (actual.length !== expected.length) {
    return [`the backend saw ${actual.length} requests, expected ${expected.length}`];
  }
  const found: string[] = [];
  for (const [i, one] of expected.entries()) {
    const { method, target, headers, body, content } = actual[i] as RequestSeen;
    if (method !== one.method) found.push(`method ${method}, expected ${one.method}`);
    if (target !== (one.target ?? '')) found.push(`target ${target}, expected ${one.target ?? ''}`);
    found.push(...fieldDifferences('request', one.headers, headers));
    if (one.body && 'form' in one.body) {
      found.push(...(await formDifferences(one.body.form, headers['content-type'] ?? '', content)));
    } else {
      found.push(...bytesDifferences('request', one.body ?? { text: '' }, body));
    }
  }
  return found;
}

function fieldDifferences(
  where: string,
  expected: Readonly<Record<string, string | null>> | undefined,
  actual: Readonly<Record<string, string>>,
): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(expected ?? {})) {
    const got = Object.hasOwn(actual, name) ? (actual[name] as string) : null;
    const agrees = value?.startsWith('~') ? got?.includes(value.slice(1)) : got === value;
    if (!agrees) found.push(`${where} field ${name} is ${JSON.stringify(got)}, expected ${JSON.stringify(value)}`);
  }
  return found;
}

function bytesDifferences(
  where: string,
  expected: { text: string } | { patternBytes: number },
  actual: BytesSeen,
): string[] {
  const bytes = 'text' in expected ? new TextEncoder().encode(expected.text) : patternOf(expected.patternBytes);
  const wanted = bytesSeen(bytes);
  if (actual.bytes === wanted.bytes && actual.sum === wanted.sum) return [];
  return [
    `${where} content is ${actual.bytes} bytes ${JSON.stringify(actual.text ?? '…')}, expected ${wanted.bytes} bytes`,
  ];
}

/** Read as a server reads it: by the boundary that the content type names. */
async function formDifferences(
  expected: readonly FormEntry[],
  type: string,
  content: Uint8Array<ArrayBuffer>,
): Promise<string[]> {
  let form: FormData;
  try {
    form = await new Response(content, { headers: { 'content-type': type } }).formData();
  } catch (error) {
    return [`the form cannot be read by its content type ${type}: ${error}`];
  }
  const actual = [...form.entries()];
  if (actual.length !== expected.length) return [`the form has ${actual.length} entries, expected ${expected.length}`];
  const found: string[] = [];
  for (const [i, entry] of expected.entries()) {
    const [name, value] = actual[i] as [string, File | string];
    if (name !== entry.name) found.push(`form entry ${name}, expected ${entry.name}`);
    if ('text' in entry) {
      if (value !== entry.text) found.push(`form entry ${name} is another text`);
    } else if (typeof value === 'string' || value.name !== entry.filename || value.type !== entry.type) {
      found.push(`form entry ${name} is not the file ${entry.filename} of type ${entry.type}`);
    } else {
      const bytes = bytesSeen(new Uint8Array(await value.arrayBuffer()));
      found.push(...bytesDifferences(`form entry ${name}`, entry, bytes));
    }
  }
  return found;
}
