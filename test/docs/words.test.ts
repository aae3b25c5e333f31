// No text or name in the repository has a word that CONTRIBUTING.md replaces, where a pattern can find it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const EXTENSIONS = ['md', 'ts', 'js', 'mjs', 'yaml', 'kql', 'html'];
const THIS_FILE = 'test/docs/words.test.ts';

/** The replaced words, as the table has them, and a name of code too. */
const REPLACED: readonly RegExp[] = [
  /answer/i,
  /(?:\b[Bb]|B)ox(?:es)?(?![a-z])/,
  /\blooks? after\b/i,
  /under ?way/i,
  /\bis none\b/i,
  /(?<!there )\bis no (?!longer\b)[a-z]/i,
];

/** Names and data that stay, and the files that have them. */
const ALLOWED: readonly (readonly [files: RegExp, text: RegExp])[] = [
  // A key of the published vectors, and names of their cases.
  [/^conformance\//, /\banswer(?=: (string|hex)\b)|(?<=\b(one|base|other)\.)answer\b/g],
  [/^conformance\/cases\//, /(?<=')[^'\n]*answer[^'\n]*(?=')/g],
  // Fields and contents that tests send.
  [
    /^(packages\/\w+\/)?test\//,
    /(?<=['`])answer to |\b(x|the)-answer\b|\bthe-\(\?:token\|answer\)|(?<=\bmark\(')[^']*/g,
  ],
  // Former names.
  [/^CHANGELOG\.md$/, /`answered`/g],
  // CSS and SVG.
  [/^deploy\/grafana\/picture\.ts$/, /\bbox-sizing: border-box\b|\bviewBox\b/g],
];

const TABLE_OF_WORDS = /^\| Write \| Instead of \|\n(?:\|.*\n)+/m;

/** "file:line: text" of each line that has a replaced word. */
function replacedWordsIn(file: string, text: string): string[] {
  const checked = ALLOWED.filter(([files]) => files.test(file)).reduce(
    (rest, [, name]) => rest.replace(name, ''),
    text,
  );
  return checked.split('\n').flatMap((line, i) => {
    return REPLACED.some((word) => word.test(line)) ? [`${file}:${i + 1}: ${line.trim()}`] : [];
  });
}

/** Tracked files, without those of other authors, the vectors and this one. */
function checkedFiles(): string[] {
  const globs = EXTENSIONS.map((extension) => `*.${extension}`);
  const files = execFileSync('git', ['ls-files', '-z', ...globs], { cwd: ROOT, encoding: 'utf8' }).split('\0');
  return files.filter((file) => file !== '' && file !== THIS_FILE && !/\/vectors\/|(^|\/)LICENSE/.test(file));
}

const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

test.each([
  'the upstream answers',
  'const lastAnswerMs = 0;',
  'a box on the way',
  'const startBox = 1;',
  'the worker looks after the page',
  'a request that is under way',
  'const underWay = 1;',
  'a name that is none',
  'the value is no token',
])('finds the replaced word in "%s"', (line) => {
  expect(replacedWordsIn('docs/a.md', `first\n${line}\n`)).toEqual([`docs/a.md:2: ${line}`]);
});

test.each(['There is no token', 'a session that is no longer known', 'a checkbox of the sandbox'])(
  'finds no replaced word in "%s"',
  (line) => {
    expect(replacedWordsIn('docs/a.md', line)).toEqual([]);
  },
);

test('no file has a replaced word outside of the table that names it', () => {
  const table = TABLE_OF_WORDS.exec(textOf('CONTRIBUTING.md'))?.[0] ?? '';
  expect(replacedWordsIn('CONTRIBUTING.md', table)).toHaveLength(5);
  const files = checkedFiles();
  expect(files.length).toBeGreaterThan(400);
  const withoutTable = (text: string): string => text.replace(TABLE_OF_WORDS, (rows) => rows.replace(/.+/g, ''));
  expect(files.flatMap((file) => replacedWordsIn(file, withoutTable(textOf(file))))).toEqual([]);
});
