import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bwrapArgs, needsBwrap } from '../../../src/backends/sandbox/bwrap-args.ts';
import { isWithin } from '../../../src/core/util/path.ts';
import type { Mount, SandboxSpec } from '../../../src/core/service.ts';
import { layOut } from '../../../src/backends/sandbox/layout.ts';
import {
  type SandboxedLaunch,
  type MachineFacts,
  normalPath,
} from '../../../src/backends/sandbox/filesystem.ts';

const FOLDERS = [
  ...[
    '/',
    '/usr',
    '/usr/bin',
    '/etc',
    '/etc/ssl',
    '/tmp',
    '/tmp/app',
    '/var',
    '/var/tmp',
    '/run',
    '/run/user',
    '/run/user/7',
  ],
  ...[
    '/home',
    '/home/me',
    '/home/me/app',
    '/home/me/.ssh',
    '/srv',
    '/srv/data',
    '/state',
    '/state/web.1',
    '/dev',
    '/dev/dri',
    '/proc',
  ],
];
const FILES = ['/usr/bin/serve', '/etc/passwd', '/etc/shadow', '/home/me/bin', '/srv/file'];
const LINKS: Readonly<Record<string, string>> = {
  '/bin': '/usr/bin',
  '/srv/link': '/home/me/app',
  '/tmp/link': '/srv/data',
};

function look(path: string): ReturnType<MachineFacts['look']> {
  const link = Object.keys(LINKS).find((name) => isWithin(path, name));
  const real = link === undefined ? path : `${LINKS[link] ?? ''}${path.slice(link.length)}`;
  if (FOLDERS.includes(real)) return { real, kind: 'directory' };
  return FILES.includes(real) ? { real, kind: 'other' } : undefined;
}

const FACTS: MachineFacts = {
  look,
  rootEntries: () => [
    ...['usr', 'etc', 'tmp', 'var', 'run', 'home', 'srv', 'state', 'dev', 'proc'].map((name) => ({ name })),
    { name: 'bin', link: 'usr/bin' },
  ],
  hidden: ['/run/user/7', '/state'],
  options: new Set(['--perms', '--size', '--disable-userns']),
  root: false,
};

const SANDBOX: SandboxSpec = { network: true, read: [], write: [], profile: 'default' };
const STRICT: SandboxSpec = { ...SANDBOX, profile: 'strict' };
const OWN = { read: ['/state/web.1'], write: [] };

function launch(more: Partial<SandboxedLaunch> = {}): SandboxedLaunch {
  return {
    argv: ['serve'],
    cwd: '/home/me/app',
    env: { PATH: '/usr/bin', HOME: '/home/me' },
    ports: {},
    mounts: [],
    ...more,
  };
}

function args(more: Partial<SandboxedLaunch>, facts: Partial<MachineFacts> = {}): string {
  const found = bwrapArgs(launch(more), OWN, { ...FACTS, ...facts });
  if (!found.ok) throw new Error(JSON.stringify(found.error));
  return found.value.args.join(' ');
}

function refusal(more: Partial<SandboxedLaunch>, facts: Partial<MachineFacts> = {}): unknown {
  const found = bwrapArgs(launch(more), OWN, { ...FACTS, ...facts });
  if (found.ok) throw new Error(`it would run: ${found.value.args.join(' ')}`);
  return found.error;
}

function bind(source: string, target: string, more: Partial<Mount & { type: 'bind' }> = {}): Mount {
  return { type: 'bind', source, target, readOnly: false, optional: false, ...more };
}

describe('mounts', () => {
  test('leave the rest of the machine as it is', () => {
    expect(args({ mounts: [bind('/srv/data', '/srv')] })).toBe(
      '--new-session --dev-bind / / --bind /srv/data /srv --bind /state/web.1 /state/web.1 --chdir /home/me/app',
    );
  });

  test('at a place that the machine lacks are made in memory and never on the machine', () => {
    const text = args({ mounts: [bind('/srv/data', '/data', { readOnly: true })] });
    expect(text).not.toContain('--dev-bind / /');
    expect(text).toContain('--dev-bind /usr /usr');
    expect(text).toContain('--symlink usr/bin /bin');
    expect(text).toContain('--dev-bind /proc /proc');
    expect(text).toContain('--ro-bind /srv/data /data');
  });

  test('below a folder that the machine has are refused where nothing is there', () => {
    expect(refusal({ mounts: [bind('/srv/data', '/srv/none')] })).toEqual({
      code: 'mount-missing',
      message: 'nothing can be mounted at /srv/none: /srv/none does not exist',
      help: 'create it (an empty directory will do), or mount at a place of its own',
    });
  });

  test('without a source are an error, unless optional', () => {
    expect(refusal({ mounts: [bind('/none', '/srv')] })).toEqual({
      code: 'mount-missing',
      message: 'the source /none of the mount at /srv does not exist',
      help: 'create it, correct the path, or mark the mount `optional`',
    });
    expect(args({ mounts: [bind('/none', '/srv', { optional: true })] })).not.toContain('none');
  });

  test.each([
    [bind('/srv/file', '/srv/data'), 'a file cannot be mounted at /srv/data, which is a directory'],
    [bind('/srv/data', '/srv/file'), 'a directory cannot be mounted at /srv/file, which is a file'],
    [bind('/srv/data', 'data'), 'a mount cannot have the target "data"'],
    [bind('/srv/data', '/'), 'a mount cannot have the target "/"'],
    [bind('/srv/data', '/x/../proc/1'), 'a mount cannot have the target "/x/../proc/1"'],
    [
      { type: 'volume', source: 'db', target: '/srv/data', readOnly: false } as const,
      'the volume `db` belongs to a container engine, and this service is a process of the machine',
    ],
  ])('that cannot be had are refused: %j', (mount, message) => {
    expect(refusal({ mounts: [mount] })).toMatchObject({ message });
  });

  test('in memory have the size and mode that were asked for, and refuse where bwrap is too old for it', () => {
    const mount: Mount = { type: 'tmpfs', target: '/cache', size: 4096, mode: 0o700 };
    expect(args({ mounts: [mount] })).toContain('--perms 0700 --size 4096 --tmpfs /cache');
    expect(refusal({ mounts: [mount] }, { options: new Set() })).toMatchObject({
      code: 'sandbox-unavailable',
    });
  });

  test('that lie in each other come in an order in which none is covered', () => {
    const text = args({
      mounts: [
        bind('/srv/file', '/data/a/b'),
        { type: 'tmpfs', target: '/data/a' },
        { type: 'tmpfs', target: '/data' },
      ],
    });
    expect(text).toMatch(/ \/data .* \/data\/a .* \/data\/a\/b/);
  });

  test('are not needed by a launch without any', () => {
    expect(needsBwrap(launch())).toBe(false);
    expect(needsBwrap(launch({ sandbox: SANDBOX }))).toBe(true);
  });
});

describe('the default sandbox', () => {
  test('is the machine, read only, with folders of its own for temporary files and nothing of /run', () => {
    expect(args({ sandbox: SANDBOX })).toBe(
      [
        '--new-session --unshare-pid --as-pid-1 --ro-bind / / --proc /proc --dev /dev',
        '--perms 1777 --tmpfs /tmp --perms 0755 --tmpfs /run --perms 0700 --tmpfs /state',
        '--perms 1777 --tmpfs /var/tmp --ro-bind /state/web.1 /state/web.1',
        '--perms 0700 --tmpfs /run/user/7 --ro-bind /home/me/app /home/me/app',
        '--chdir /home/me/app',
      ].join(' '),
    );
  });

  test('lets be written what is named, and covers within what is hidden', () => {
    const text = args({ sandbox: { ...SANDBOX, read: ['/run/user'], write: ['/srv/data'] } });
    expect(text).toContain('--bind /srv/data /srv/data');
    expect(text).toMatch(/--ro-bind \/run\/user \/run\/user .*--tmpfs \/run\/user\/7/);
  });

  test('names a link by both its names where nothing else would be there', () => {
    const text = args({ sandbox: { ...SANDBOX, write: ['/tmp/link', '/srv/link'] } });
    expect(text).toContain('--bind /srv/data /srv/data');
    expect(text).toContain('--bind /srv/data /tmp/link');
    expect(text).toContain('--bind /home/me/app /home/me/app');
    expect(text).not.toContain('/srv/link');
  });

  test.each(['/', '/tmp', '/var', '/run', '/home', '/home/me'])(
    'keeps what is its own whatever the working directory, such as %s',
    (cwd) => {
      for (const sandbox of [SANDBOX, STRICT]) {
        const text = args({ sandbox, cwd });
        for (const own of ['/tmp', '/var/tmp', '/run']) {
          const after = text.slice(text.lastIndexOf(`--tmpfs ${own} `));
          const binds = [...after.matchAll(/bind(?:-try)? \S+ (\S+)/g)].map(([, target = '']) => target);
          expect(binds.filter((target) => isWithin(own, target))).toEqual([]);
        }
        if (sandbox === STRICT) expect(text).toContain('--tmpfs /home/me');
        expect(text).not.toMatch(/bind \S+ \/home\/me /);
      }
    },
  );

  test('has devices where they are named', () => {
    expect(args({ sandbox: { ...SANDBOX, read: ['/dev/dri'] } })).toContain('--dev-bind /dev/dri /dev/dri');
  });

  test('without the network has a network namespace, and refuses ports that nobody could reach', () => {
    const sandbox = { ...SANDBOX, network: false };
    expect(args({ sandbox })).toContain('--unshare-net');
    expect(refusal({ sandbox, ports: { http: 80 } })).toMatchObject({ code: 'sandbox-unavailable' });
  });

  test('gives the folder of its socket, and refuses to give one that is everybody’s', () => {
    expect(args({ sandbox: SANDBOX, socket: '/srv/data/web.sock' })).toContain('--bind /srv/data /srv/data');
    for (const socket of ['/tmp/web.sock', '/run/web.sock', '/home/me/web.sock', '/tmp/../tmp/x']) {
      expect(refusal({ sandbox: SANDBOX, socket })).toMatchObject({
        help: 'put the socket into a folder of its own',
      });
    }
    expect(refusal({ sandbox: SANDBOX, socket: '/none/web.sock' })).toMatchObject({ code: 'mount-missing' });
  });

  test('turns variables for temporary folders to the private one where they cannot be written to', () => {
    const env = { PATH: '/usr/bin', TMPDIR: '/srv', TMP: '/srv/data', TEMP: '/tmp/x' };
    const text = args({ env, sandbox: { ...SANDBOX, write: ['/srv/data'] } });
    expect(text).toContain('--setenv TMPDIR /tmp');
    expect(text.match(/--setenv/g)?.length).toBe(1);
  });

  test('takes from root what would undo it', () => {
    const text = args({ sandbox: SANDBOX }, { root: true });
    expect(text).toMatch(/--cap-drop ALL (--cap-add CAP_[A-Z_]+ ?)+/);
    expect(text).toContain('--ro-bind-try /proc/sys /proc/sys');
    expect(text).not.toMatch(/CAP_SYS_|CAP_MKNOD|CAP_NET_ADMIN|CAP_DAC_READ_SEARCH/);
  });

  test.each([
    [{ read: ['/none'] }, '`sandbox.read` names /none, which does not exist'],
    [{ write: ['/none'] }, '`sandbox.write` names /none, which does not exist'],
    [{ write: ['/'] }, '`sandbox.write` names the root folder, which leaves nothing of the sandbox'],
  ])('is refused with %j', (more, message) => {
    expect(refusal({ sandbox: { ...SANDBOX, ...more } })).toMatchObject({ message });
  });

  test('is refused to a program that would not be there', () => {
    expect(refusal({ sandbox: SANDBOX, argv: ['/tmp/app/serve'] })).toMatchObject({
      code: 'missing-program',
      message: 'program /tmp/app/serve is not there in the sandbox',
    });
    expect(args({ sandbox: { ...SANDBOX, read: ['/tmp/app'] }, argv: ['/tmp/app/serve'] })).toContain(
      '/tmp/app',
    );
  });

  test('never has the end of bwrap’s parent end the service', () => {
    for (const sandbox of [SANDBOX, STRICT]) expect(args({ sandbox })).not.toContain('--die-with-parent');
  });
});

describe('the strict sandbox', () => {
  test('has programs, libraries and names, an empty home, and namespaces of its own', () => {
    const text = args({ sandbox: STRICT });
    expect(text).toContain(
      '--unshare-pid --as-pid-1 --unshare-ipc --unshare-uts --unshare-user --disable-userns',
    );
    expect(text).toContain('--ro-bind /usr /usr');
    expect(text).toContain('--symlink usr/bin /bin');
    expect(text).toContain('--ro-bind /etc/passwd /etc/passwd');
    expect(text).toMatch(/--tmpfs \/home\/me .*--ro-bind \/home\/me\/app \/home\/me\/app/);
    expect(text).not.toMatch(/shadow|\/srv|bind \/ \/|\/var |\.ssh/);
  });

  test('keeps of root’s capabilities only those that a change of the user takes', () => {
    expect(args({ sandbox: STRICT }, { root: true })).not.toContain('--cap-add');
    expect(args({ sandbox: STRICT, user: 'www' }, { root: true })).toContain(
      '--cap-drop ALL --cap-add CAP_SETGID --cap-add CAP_SETUID',
    );
  });

  test('refuses a program in the home that was not named', () => {
    const facts: Partial<MachineFacts> = {
      look: (path) => (path === '/home/me/bin/serve' ? { real: path, kind: 'other' } : look(path)),
    };
    const env = { PATH: '/home/me/bin', HOME: '/home/me' };
    expect(refusal({ sandbox: STRICT, env }, facts)).toMatchObject({ code: 'missing-program' });
  });
});

describe('any layout', () => {
  const path = fc
    .array(
      fc.constantFrom('usr', 'srv', 'data', 'home', 'me', 'app', 'tmp', 'run', 'state', 'web.1', '..', 'new'),
      { minLength: 1, maxLength: 4 },
    )
    .map((parts) => `/${parts.join('/')}`);
  const mount = fc.oneof(
    fc
      .record({ source: path, target: path, readOnly: fc.boolean() })
      .map((m): Mount => ({ type: 'bind', optional: true, ...m })),
    path.map((target): Mount => ({ type: 'tmpfs', target })),
  );

  test('lets nothing of the machine be written but what was named', () => {
    fc.assert(
      fc.property(
        fc.array(mount, { maxLength: 4 }),
        fc.array(path, { maxLength: 2 }),
        fc.constantFrom<SandboxSpec['profile']>('default', 'strict'),
        (mounts, named, profile) => {
          const write = named.filter((name) => look(normalPath(name)) !== undefined);
          const found = layOut(launch({ mounts, sandbox: { ...SANDBOX, profile, write } }), OWN, FACTS);
          if (!found.ok) return;
          const allowed = [
            ...write.map((name) => look(normalPath(name))?.real),
            ...mounts.flatMap((m) =>
              m.type === 'bind' && !m.readOnly ? look(normalPath(m.source))?.real : [],
            ),
          ];
          for (const place of found.value.entries) {
            if (place.kind === 'bind' && place.access !== 'read') expect(allowed).toContain(place.source);
          }
        },
      ),
    );
  });

  test('has no place that a later one covers', () => {
    fc.assert(
      fc.property(fc.array(mount, { maxLength: 5 }), (mounts) => {
        const found = layOut(launch({ mounts, sandbox: SANDBOX }), OWN, FACTS);
        if (!found.ok) return;
        const targets = found.value.entries.map(({ target }) => target);
        const asked = targets.filter((target) => mounts.some((m) => normalPath(m.target) === target));
        for (const target of asked) {
          const later = targets.slice(targets.lastIndexOf(target) + 1);
          expect(later.filter((other) => isWithin(target, other))).toEqual([]);
        }
      }),
    );
  });
});
