import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { bwrapFacts } from '../../src/backends/sandbox/bwrap-facts.ts';
import { lacks } from '../rig/needs.ts';
import { newProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Where nothing may lack the tests run and fail. */
const MAY_LACK = process.env['SETPOINT_TEST_REQUIRE_ALL'] === undefined;
const LACK = lacks('bwrap') ?? (MAY_LACK ? await hindrance() : undefined);

async function hindrance(): Promise<string | undefined> {
  const facts = await bwrapFacts({ env: process.env });
  return facts.kind === 'usable' ? undefined : facts.reason;
}

beforeEach((ctx) => {
  if (LACK !== undefined) ctx.skip(LACK);
});

const MANIFEST = `
secrets:
  mine: { env: MINE }
  theirs: { env: THEIRS }
services:
  careful:
    command: |
      touch ./data/yes && echo "wrote data"
      touch ./no 2>/dev/null || echo "kept from the rest"
      cat "$SETPOINT_SECRETS_DIR/mine"; echo
      find "$XDG_STATE_HOME" -type f
      trap 'echo stopping; exit 143' TERM
      echo up
      while :; do sleep 0.02; done
    secrets: [mine]
    sandbox: { network: false, write: [./data] }
    ready: { log: "^up$$" }
  other:
    command: cat "$SETPOINT_SECRETS_DIR/theirs" >/dev/null && exec sleep 1000
    secrets: [theirs]
  mounted:
    command: cat /setpoint-mounted/text; exec sleep 1000
    mounts: ["./data:/setpoint-mounted:ro"]
`;

test('a sandboxed service does what it may and no more, outlives its daemon, and is stopped as any other', async (ctx) => {
  const project = newProject(
    ctx,
    { 'setpoint.yaml': MANIFEST, 'data/text': 'mounted\n' },
    { MINE: 's3cret-of-mine', THEIRS: 's3cret-of-theirs' },
  );
  await project.ok('up', '-d', '--wait');
  await eventually('it is mounted', () => project.log('mounted.1') === 'mounted\n');
  const [first, second, third, ...rest] = project.log('careful.1').split('\n');
  expect([first, second, third]).toEqual(['wrote data', 'kept from the rest', 's3cret-of-mine']);
  // Of all that setpoint keeps it sees its own instance, on the way to its own secrets.
  expect(rest.join('\n')).toMatch(/instances\/careful\.1\/exit$/m);
  expect(rest.join('\n')).not.toMatch(/theirs|other\.1|daemon\.lock/);
  expect([existsSync(join(project.dir, 'data/yes')), existsSync(join(project.dir, 'no'))]).toEqual([
    true,
    false,
  ]);

  const pid = await project.pidOf('careful.1');
  await project.killDaemon();
  await project.ok('up', '-d', '--wait');
  expect(await project.pidOf('careful.1')).toBe(pid);
  expect(await project.ok('plan')).toContain('Nothing to do');
  await project.ok('stop', 'careful');
  expect((await project.instance('careful.1'))?.lastExit).toEqual({ kind: 'code', code: 143 });
  expect(existsSync(join(project.stateDir(), 'instances/careful.1/secrets'))).toBe(false);
  await project.ok('down');
});

test('where bubblewrap may not work the service does not run without it, and the reason is told', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': 'services:\n  web: { command: echo it ran, sandbox: true, restart: never }\n',
  });
  const bin = join(project.dir, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'bwrap'),
    '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2\nexit 1\n',
    { mode: 0o755 },
  );
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const { status, stdout, stderr } = await project.run(['up', '-d', '--wait'], { env });
  expect(status).not.toBe(0);
  expect(stdout + stderr).toContain('the sandbox cannot be had');
  expect(project.log('web.1')).toBe('');
  await project.ok('down');
});
