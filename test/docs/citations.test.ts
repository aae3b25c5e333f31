// The references of documents and comments exist: files, headings, and sections of the SPEC.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const exclude = ['**/node_modules/**', '**/dist/**', '**/public/**'];
const documents = globSync('**/*.md', { cwd: ROOT, exclude });
const sources = globSync('**/*.{ts,tsx,js,cjs,mjs}', { cwd: ROOT, exclude });

const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(document: string): string[] {
  return [...textOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function leadsNowhere(document: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const file = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(ROOT, file))) return true;
  return anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).includes(anchor);
}

test('there are documents and sources', () => {
  expect(documents.length).toBeGreaterThan(30);
  expect(sources.length).toBeGreaterThan(400);
});

describe.each(documents)('%s', (document) => {
  test('links only to files and headings that are there', () => {
    const links = [...textOf(document).matchAll(/\]\(([^)\s]+)[^)]*\)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !link.startsWith('https:') && leadsNowhere(document, link))).toEqual([]);
  });
});

// Decisions tell of their day, and the vectors' table of other repositories.
describe.each(documents.filter((document) => !/^docs\/decisions|test\/vectors/.test(document)))('%s', (document) => {
  test('names only files of the repository that are there', () => {
    const named = textOf(document).matchAll(/`((?:packages|conformance|scripts|test|docs|bench|demo)\/[\w./-]+)`/g);
    const paths = [...named].map(([, path = '']) => join(ROOT, path));
    expect(paths.filter((path) => ![path, `${path}.test.ts`].some(existsSync))).toEqual([]);
  });
});

test('every section of the SPEC that a document or a comment cites is there', () => {
  const sections = new Set([...textOf('docs/SPEC.md').matchAll(/^#+ ([\d.]+?)\.? /gm)].map(([, number]) => number));
  const cited = [...documents, ...sources].flatMap((file) =>
    [...textOf(file).matchAll(/\bSPEC(?:\.md)?(?: §[\d.]*\d(?:, | and | to |; )?)+/g)].flatMap(([citation]) =>
      [...citation.matchAll(/§([\d.]*\d)/g)].map(([, number]) => ({ file, number })),
    ),
  );
  expect(cited.length).toBeGreaterThan(60);
  expect(cited.filter(({ number }) => !sections.has(number))).toEqual([]);
});
