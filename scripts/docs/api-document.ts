// docs/api.md, made from the docstrings of what the client's entries export; `npm run docs` writes it. The declarations are
// those of the build, which is what a user's editor shows.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const CLIENT = join(import.meta.dirname, '../../packages/client');

const INTRODUCTION = `# API of the client

Generated from the docstrings of \`packages/client/src\` by \`npm run docs\`; do not edit. Quick starts are in
[quick-starts.md](quick-starts.md). Sizes are in bytes and times in milliseconds where a name has that unit.

`;

interface Declaration {
  readonly name: string;
  readonly doc: string;
  /** Without comments. */
  readonly code: string;
  /** Of an interface or class, with their docs. */
  readonly members: readonly { readonly code: string; readonly doc: string }[];
}

/** The whole document. */
export function apiDocument(): string {
  const manifest = JSON.parse(readFileSync(join(CLIENT, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, { types?: string }>;
  };
  const entryOf = new Map<string, string>();
  const sections = Object.entries(manifest.exports).flatMap(([path, { types }]) => {
    if (!types) return [];
    const entry = manifest.name + path.slice(1);
    const declarations = exportsOf(join(CLIENT, types));
    const known = declarations.filter(({ name, code }) => entryOf.has(name + code));
    const own = declarations.filter((declaration) => !known.includes(declaration));
    for (const { name, code } of own) entryOf.set(name + code, entry);
    const also = known.length > 0 ? `Also: ${known.map(({ name }) => `\`${name}\``).join(', ')}, as above.\n\n` : '';
    return [`## \`${entry}\`\n\n${own.map(section).join('')}${also}`];
  });
  return `${(INTRODUCTION + sections.join('')).trimEnd()}\n`;
}

function section({ name, doc, code, members }: Declaration): string {
  const listed = members.map(
    (member) => `- \`${member.code}\`${member.doc && `: ${member.doc.replaceAll('\n\n', ' ')}`}\n`,
  );
  const parent = / extends ([^{]+) \{/.exec(code)?.[1];
  const inherited = parent ? `- the members of \`${parent}\`\n` : '';
  const shown = members.length > 0 ? `${inherited}${listed.join('')}\n` : `\`\`\`ts\n${code}\n\`\`\`\n\n`;
  return `### ${name}\n\n${doc && `${doc}\n\n`}${shown}`;
}

// ---- Declarations

/** The exports of an entry, in its order: its own declarations and re-exports. */
function exportsOf(file: string): Declaration[] {
  const text = readFileSync(file, 'utf8');
  const passedOn = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)].flatMap(
    ([, names = '', from = '']) => {
      const source = join(dirname(file), from.replace(/\.ts$/, '.d.ts'));
      const there = new Map(declarationsIn(readFileSync(source, 'utf8')).map((found) => [found.name, found]));
      return names
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => {
          const found = there.get(name);
          if (!found) throw new Error(`${source} does not declare ${name}`);
          return found;
        });
    },
  );
  return [...declarationsIn(text), ...passedOn];
}

const DECLARATION =
  /(?:^\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^export (?:declare )?(function|interface|type|class|const) (\w+)/gm;

function declarationsIn(text: string): Declaration[] {
  return [...text.matchAll(DECLARATION)].map((match) => {
    const [whole, doc = '', kind = '', name = ''] = match;
    const start = match.index + whole.lastIndexOf('export ');
    const statement = text.slice(start, endOfStatement(text, start));
    const hasMembers = kind === 'interface' || kind === 'class';
    return {
      name,
      doc: prose(doc),
      code: statement.replace(/^export (?:declare )?/, ''),
      members: hasMembers ? membersIn(statement.slice(statement.indexOf('{') + 1, -1)) : [],
    };
  });
}

/** The position after the closing brace, or the semicolon, that ends a statement. */
function endOfStatement(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at] as string;
    if (text.startsWith('/*', at)) at = text.indexOf('*/', at) + 1;
    else if ('{(['.includes(character)) depth += 1;
    else if ('})]'.includes(character)) depth -= 1;
    if (depth > 0) continue;
    if (character === ';' || (character === '}' && /\s/.test(text[at + 1] ?? '\n'))) return at + 1;
  }
  return text.length;
}

function membersIn(block: string): Declaration['members'] {
  const members: { code: string; doc: string }[] = [];
  let at = 0;
  for (;;) {
    const begin = /^\s*(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/)?\s*(?=[\w#[(<])/.exec(block.slice(at));
    if (!begin) return members;
    const start = at + begin[0].length;
    const end = endOfStatement(block, start);
    const code = block
      .slice(start, end)
      .replace(/;$/, '')
      .replaceAll(/\s*\n\s*/g, ' ');
    if (!/^(?:private|#|constructor\b)/.test(code)) members.push({ code, doc: prose(begin[1] ?? '') });
    at = end;
  }
}

// ---- Docstrings

/** A docstring as Markdown: its text, then parameters and failures in one line each. */
function prose(doc: string): string {
  const text = doc
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replaceAll(/\{@link ([^}]+)\}/g, '`$1`')
    .trim();
  const [intro = '', ...tags] = text.split(/^@/m);
  const paragraphs = intro.split(/\n\s*\n/).map(flow);
  return [...paragraphs, ...tags.map(tagged)].filter((part) => part !== '').join('\n\n');
}

function tagged(tag: string): string {
  const [, kind, rest = ''] = /^(\w+)\s+([\s\S]*)$/.exec(tag) ?? [];
  const [, name, about = ''] = /^(\w+)\s+([\s\S]*)$/.exec(rest) ?? [];
  if (kind === 'param') return `Parameter \`${name}\`: ${flow(about)}`;
  if (kind === 'throws') return `Throws ${flow(rest)}`;
  return kind === 'returns' ? `Returns ${flow(rest)}` : flow(rest);
}

function flow(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}
