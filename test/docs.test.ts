import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Session } from './cli/fake.ts';

const ROOT = resolve(import.meta.dirname, '..');
const MOST_BYTES = 10_240;

const pages = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

/** Code holds no links and no headings. */
const prose = (text: string): string =>
  text.replace(/^ *```.*?^ *```/gms, '').replace(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]]/g, ' '));

/** As the sites that show such pages name a heading. */
function anchorsOf(page: string): readonly string[] {
  return [
    ...read(page)
      .replace(/^ *```.*?^ *```/gms, '')
      .matchAll(/^#+ (.+)$/gm),
  ].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function linksOf(page: string): readonly string[] {
  return [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

test('the README is short', () => {
  expect(Buffer.byteLength(read('README.md'))).toBeLessThanOrEqual(MOST_BYTES);
});

describe.each(pages)('%s', (page) => {
  test('links to what is there', () => {
    const broken = linksOf(page)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchorsOf(target).includes(anchor);
      });
    expect(broken).toEqual([]);
  });
});

test('the index names every page and every example', () => {
  const named = new Set(linksOf('docs/README.md').map((link) => join('docs', link)));
  const examples = readdirSync(join(ROOT, 'examples'))
    .map((name) => `examples/${name}`)
    .filter((path) => statSync(join(ROOT, path)).isDirectory());
  expect([...pages, ...examples].filter((page) => page !== 'docs/README.md' && !named.has(page))).toEqual([]);
});

test('the page of the commands names every command that the help lists', async () => {
  const page = read('docs/commands.md');
  const { out } = await new Session(['--help']).done;
  const commands = [...out.matchAll(/^ {2}([a-z]+)(?:\|[a-z]+)? \[options\]/gm)].map(([, name = '']) => name);
  expect(commands.length).toBeGreaterThan(20);
  expect(commands.filter((name) => !new RegExp(`\`${name}\\b`).test(page))).toEqual([]);
});
