import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/util/system-error.ts';
import type { Common } from './common.ts';
import { fail } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { count } from '../words/text.ts';

export interface InitOptions {
  readonly force: boolean;
}

interface FoundServices {
  readonly from: string;
  readonly services: readonly { readonly id: string; readonly command: string }[];
}

/** Writes a commented manifest, with services taken from a Procfile or package.json where there is one. */
export function init({ context, globals }: Common, options: InitOptions): ExitStatus {
  const [named] = globals.files;
  const name = named ?? 'setpoint.yaml';
  const path = named === undefined || !named.startsWith('/') ? join(context.cwd, name) : named;
  const taken = [path, ...(named === undefined ? [join(context.cwd, 'setpoint.yml')] : [])].find((file) =>
    existsSync(file),
  );
  if (taken !== undefined && !options.force) {
    return fail(
      context,
      { message: 'there is a manifest already', where: taken, next: '--force overwrites it' },
      EXIT.failure,
    );
  }
  const found = fromProcfile(context.cwd) ?? fromPackageJson(context.cwd);
  try {
    writeFileSync(path, manifestText(found), { flag: options.force ? 'w' : 'wx' });
  } catch (error) {
    const why = messageOf(error);
    return fail(context, { message: 'the manifest could not be written', where: why }, EXIT.failure);
  }
  const source =
    found === undefined
      ? 'with an example service'
      : `with ${count(found.services.length, 'service')} from ${found.from}`;
  context.stdout.write(`Wrote ${name} ${source}\nnext: edit it, \`setpoint check\`, then \`setpoint up\`\n`);
  return EXIT.ok;
}

export function manifestText(found: FoundServices | undefined): string {
  const services = found?.services ?? [
    { id: 'hello', command: 'while true; do echo "hello from $$"; sleep 5; done' },
  ];
  const entries = services.map(({ id, command }) => `  ${id}:\n    command: ${JSON.stringify(command)}\n`);
  return `# yaml-language-server: $schema=${SCHEMA}
# What runs here. \`setpoint up\` makes it so; \`setpoint plan\` shows what that would change.

services:
${entries.join('')}
    # More keys that a service can have:
    # env:
    #   LOG_LEVEL: debug
    # ports:
    #   http: auto          # a free port, given to the service as PORT
    # ready:                # what tells that it can be used; \`up --wait\` waits for it
    #   http: { port: http, path: /health }
    # depends_on:
    #   db: ready           # or started, completed, completed-successfully
    # restart: on-failure   # or never, always, unless-stopped
    # stop:
    #   grace: 10s          # between SIGTERM and SIGKILL
`;
}

/** Where an installed package has it, seen from the project's folder. */
const SCHEMA = './node_modules/setpoint/schema/setpoint.schema.json';

function fromProcfile(dir: string): FoundServices | undefined {
  const text = read(join(dir, 'Procfile'));
  const services = (text ?? '').split(/\r?\n/).flatMap((line) => {
    const match = /^([A-Za-z0-9_-]+):\s*(\S.*)$/.exec(line);
    const [, name, command] = match ?? [];
    return name === undefined || command === undefined
      ? []
      : [{ id: serviceId(name), command: command.trim() }];
  });
  const first = services.filter(({ id }, index) => services.findIndex((one) => one.id === id) === index);
  return first.length === 0 ? undefined : { from: 'Procfile', services: first };
}

function fromPackageJson(dir: string): FoundServices | undefined {
  const text = read(join(dir, 'package.json'));
  if (text === undefined) return undefined;
  let scripts: unknown;
  try {
    const parsed: unknown = JSON.parse(text);
    scripts =
      typeof parsed === 'object' && parsed !== null && 'scripts' in parsed ? parsed.scripts : undefined;
  } catch {
    return undefined;
  }
  if (typeof scripts !== 'object' || scripts === null) return undefined;
  const script = ['dev', 'start', 'serve'].find((name) => name in scripts);
  if (script === undefined) return undefined;
  return { from: 'package.json', services: [{ id: 'app', command: `npm run ${script}` }] };
}

function serviceId(name: string): string {
  return name.toLowerCase().replace(/^[^a-z0-9]+/, '') || 'app';
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
