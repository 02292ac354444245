import { describe, expect, test } from 'vitest';
import { createEncloser } from '../../../src/backends/sandbox/enclosure.ts';
import { type ExecProfileRequest, sandboxExecProfile } from '../../../src/backends/sandbox/exec-profile.ts';
import { launchOf } from '../../rig/launch.ts';
import { SANDBOX } from './rig.ts';

function profile(
  more: Partial<ExecProfileRequest> = {},
  sandbox: Partial<ExecProfileRequest['sandbox']> = {},
): string {
  return sandboxExecProfile({
    cwd: '/Users/me/app',
    home: '/Users/me',
    read: ['/state/web.1'],
    write: ['/private/tmp/run'],
    hidden: ['/private/tmp/daemon'],
    ...more,
    sandbox: { network: true, read: [], write: ['/srv/data'], profile: 'default', ...sandbox },
  });
}

describe('the profile for sandbox-exec', () => {
  test('denies what it does not allow, reads everything, writes what is named', () => {
    expect(profile()).toBe(`(version 1)
(deny default)
(allow process-fork)
(allow process-exec)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow mach-lookup)
(allow ipc-posix*)
(allow pseudo-tty)
(allow file-read-metadata)
(allow file-read*)
(deny file-read* file-write* network-outbound
  (subpath "/private/tmp/daemon"))
(allow file-read*
  (subpath "/state/web.1"))
(allow file-read* file-write*
  (subpath "/private/tmp/run")
  (subpath "/srv/data"))
(allow file-write-data file-ioctl
  (literal "/dev/null")
  (literal "/dev/zero")
  (literal "/dev/dtracehelper")
  (literal "/dev/tty")
  (literal "/dev/ptmx")
  (regex #"^/dev/ttys[0-9]+$"))
(allow network*)
(allow system-socket)
`);
  });

  test('in the strict one reads the system and what is named, after the home was denied', () => {
    const text = profile({}, { profile: 'strict', read: ['/Users/me/data'] });
    expect(text).not.toContain('(allow file-read*)\n');
    const home = text.indexOf('(deny file-read-data\n  (subpath "/Users/me"))');
    expect(home).toBeGreaterThan(0);
    expect(text.indexOf('(subpath "/Users/me/app")', home)).toBeGreaterThan(home);
    expect(text.indexOf('(subpath "/Users/me/data")', home)).toBeGreaterThan(home);
  });

  test('without the network keeps Unix sockets in its own folders, and nothing else', () => {
    const text = profile({}, { network: false });
    expect(text).not.toMatch(/network\*|system-socket/);
    expect(text).toContain(
      '(allow network-bind network-inbound network-outbound\n  (subpath "/private/tmp/run")',
    );
  });

  test('quotes paths so that none can say more than it is', () => {
    expect(profile({ cwd: '/a' }, { write: ['/x") (allow network*) (\\'] })).toContain(
      '(subpath "/x\\") (allow network*) (\\\\")',
    );
  });
});

describe('on macOS', () => {
  const encloser = createEncloser({ env: {}, hidden: ['/state'], platform: 'darwin' });
  const own = { read: ['/private'], write: [] };
  const sandbox = { ...SANDBOX, write: ['/usr'] };

  test('the launcher stands behind sandbox-exec, which becomes it, with a profile of its own', async () => {
    const prepared = await encloser.prepare(launchOf({ argv: ['/bin/sh'], cwd: '/', sandbox }), own);
    const enclosure = prepared.ok ? prepared.value?.enclose(own) : undefined;
    if (enclosure?.ok !== true) throw new Error(JSON.stringify([prepared, enclosure]));
    const { prefix, ...rest } = enclosure.value;
    expect(rest).toEqual({ launcher: 'same', ownPids: false });
    expect(prefix.slice(0, 2)).toEqual(['/usr/bin/sandbox-exec', '-p']);
    expect(prefix[2]).toMatch(/^\(version 1\)\n\(deny default\)/);
    expect(prefix[2]).toContain('(subpath "/state")');
    expect(prefix[2]).toMatch(/allow file-read\* file-write\*\n {2}\(subpath "\/usr"\)/);
    expect(prepared.ok && prepared.value?.hostPath('/usr/bin')).toBe('/usr/bin');
  });

  test('mounts, and what is not there, are refused', async () => {
    const mounts = [{ type: 'tmpfs', target: '/tmp' } as const];
    expect(await encloser.prepare(launchOf({ mounts }), own)).toMatchObject({
      ok: false,
      error: { code: 'sandbox-unavailable', message: expect.stringContaining('macOS') as unknown },
    });
    const missing = { ...SANDBOX, read: ['/no/such/folder'] };
    expect(await encloser.prepare(launchOf({ sandbox: missing }), own)).toMatchObject({
      ok: false,
      error: { code: 'mount-missing' },
    });
    const cut = launchOf({ sandbox: { ...SANDBOX, network: false }, ports: { http: 80 } });
    expect(await encloser.prepare(cut, own)).toMatchObject({ ok: false });
    expect(await encloser.prepare(launchOf({}), own)).toEqual({ ok: true, value: undefined });
  });
});
