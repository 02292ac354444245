import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bwrapFacts, installHint, whyBlocked } from '../../../src/backends/sandbox/bwrap-facts.ts';
import { createEncloser } from '../../../src/backends/sandbox/enclosure.ts';
import { launchOf } from '../../rig/launch.ts';
import { lacks } from '../../rig/needs.ts';
import { SANDBOX } from './rig.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'bwrap-facts-')));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A bwrap that says this and fails. */
function fakeBwrap(says: string): { PATH: string } {
  writeFileSync(join(dir, 'bwrap'), `#!/bin/sh\necho "${says}" >&2\nexit 1\n`, { mode: 0o755 });
  return { PATH: dir };
}

const LAUNCH = launchOf({ argv: ['/bin/sh'], sandbox: SANDBOX });
const OWN = { read: [], write: [] };

describe('what bwrap can do here', () => {
  test('is found out by having it do so', async (ctx) => {
    const lack = lacks('bwrap');
    if (lack !== undefined) ctx.skip(lack);
    const facts = await bwrapFacts({ env: process.env });
    expect(facts).toMatchObject({ kind: 'usable', version: expect.stringMatching(/^\d+\.\d+/) as unknown });
    if (facts.kind === 'usable')
      expect([...facts.options]).toEqual(expect.arrayContaining(['--ro-bind', '--new-session']));
  });

  test('is nothing without it, and the start is refused with what to install', async () => {
    const refused = await createEncloser({ env: { PATH: dir }, hidden: [] }).prepare(LAUNCH, OWN);
    expect(refused).toMatchObject({
      ok: false,
      error: {
        code: 'sandbox-unavailable',
        message: 'the sandbox cannot be had: bwrap (bubblewrap) is not on the PATH of setpoint',
        help: expect.stringMatching(/^install bubblewrap/) as unknown,
      },
    });
  });

  test('is asked anew once it was refused: an installation needs no restart', async () => {
    const encloser = createEncloser({
      env: fakeBwrap('bwrap: Creating new namespace failed: Operation not permitted'),
      hidden: [],
    });
    expect(await encloser.prepare(LAUNCH, OWN)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('Operation not permitted') as unknown },
    });
    writeFileSync(join(dir, 'bwrap'), '#!/bin/sh\necho "bubblewrap 9.9 --perms"\n', { mode: 0o755 });
    const prepared = await encloser.prepare(LAUNCH, OWN);
    const enclosure = prepared.ok ? prepared.value?.enclose(OWN) : undefined;
    expect(enclosure).toMatchObject({ ok: true, value: { launcher: 'child', ownPids: true } });
    const [program, ...args] = enclosure?.ok === true ? enclosure.value.prefix : [];
    expect([program, args[0], args.at(-1)]).toEqual([join(dir, 'bwrap'), '--new-session', '--']);
  });

  test('a launch without mounts and sandbox does not ask for it', async () => {
    const { sandbox: _sandbox, ...plain } = LAUNCH;
    expect(await createEncloser({ env: {}, hidden: [] }).prepare(plain, OWN)).toEqual({
      ok: true,
      value: undefined,
    });
  });

  test.each([
    ['ID=debian\n', 'apt-get install bubblewrap'],
    ['NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', 'apt-get install bubblewrap'],
    ['ID="fedora"\n', 'dnf install bubblewrap'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'dnf install bubblewrap'],
    ['ID=arch\n', 'pacman -S bubblewrap'],
    ['ID=alpine\n', 'apk add bubblewrap'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', 'zypper install bubblewrap'],
    ['ID=nixos\n', 'pkgs.bubblewrap'],
    ['', 'install bubblewrap'],
  ])('is installed, on %j, by %s', (osRelease, hint) => {
    expect(installHint(osRelease)).toContain(hint);
  });

  const DENIED = 'bwrap: No permissions to create new namespace, likely because the kernel does not allow it';
  test.each([
    [{ '/proc/sys/kernel/unprivileged_userns_clone': '0\n' }, 'kernel.unprivileged_userns_clone=1'],
    [{ '/proc/sys/user/max_user_namespaces': '0\n' }, 'user.max_user_namespaces=15000'],
    [{ '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' }, 'AppArmor profile'],
    [{ '/.dockerenv': '' }, 'CAP_SYS_ADMIN'],
    [{}, 'bwrap --ro-bind / / true'],
  ])('is kept from it by %j, and what helps is said', (files: Readonly<Record<string, string>>, help) => {
    const why = whyBlocked(DENIED, (path) => files[path]);
    expect(why.help).toContain(help);
    expect(why.reason).not.toBe('');
  });
});
