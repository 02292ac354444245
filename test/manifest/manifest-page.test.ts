import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { load, toldBy } from './memory-io.ts';

const page = readFileSync(new URL('../../docs/manifest.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block]) => block ?? '');

const FILES = {
  '/p/db-password.txt': 'hunter2-file',
  '/p/flake.nix': '',
  '/p/data': null,
  '/p/config': null,
  '/home/ada/certs': null,
};

/** What the examples refer to. */
const OTHERS = `  db: { command: x, ready: { log: a } }
  migrate: { command: x }
  queue: { command: x }
  search: { command: x, ready: { log: a } }
  metrics: { command: x }
`;

test.each(blocks)('the page of the manifest shows what is valid: %s', (block) => {
  for (const text of manifestsOf(block)) {
    const { diagnostics } = load(text, { files: FILES, hostEnv: { API_TOKEN: 'hunter2-token' } });
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    expect([text, toldBy(errors)]).toEqual([text, []]);
  }
});

/** A whole manifest as it is; keys of a service in one of their own, each alternative in another. */
function manifestsOf(block: string): string[] {
  if (block.startsWith('#')) return [];
  if (!/^services:/m.test(block)) return alternatives(block).map(serviceWith);
  // One over another that has the command.
  return [
    block.includes('!reset') ? `${block}${OTHERS}`.replace('  web:\n', '  web:\n    command: x\n') : block,
  ];
}

/** Where a key stands twice, each is meant instead of the other. */
function alternatives(block: string): string[] {
  const parts = block.split(/^(?=\w)/m).filter((part) => /^\w/.test(part));
  const keys = parts.map((part) => part.slice(0, part.indexOf(':')));
  return new Set(keys).size === keys.length ? [parts.join('')] : parts;
}

function serviceWith(keys: string): string {
  const isContainer = /healthcheck|container engine/.test(keys);
  const mayHavePort = !/^ports:|network: false/m.test(keys);
  const own = [isContainer ? 'image: x' : 'command: x', ...(mayHavePort ? ['ports: { http: 80 }'] : [])];
  const body = [...own, ...keys.trimEnd().split('\n')].map((line) => `    ${line}\n`).join('');
  return `volumes: { cache: }\nservices:\n  web:\n${body}${OTHERS}`;
}
