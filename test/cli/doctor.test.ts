import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineClient } from '../../src/backends/docker/engine-client.ts';
import { findEndpoint } from '../../src/host/engine-endpoint.ts';
import { machineAvailability } from '../../src/manifest/backends/dialects.ts';
import { installDocker } from '../../src/backends/docker/doctor.ts';
import { engineFacts } from '../../src/cli/doctor-engines.ts';
import type { MachineFact } from '../../src/core/machine-fact.ts';

let dir: string;
let servers: Server[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'doctor-'));
});
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
  rmSync(dir, { recursive: true, force: true });
});

async function listening(answer: RequestListener): Promise<string> {
  const path = join(dir, 'engine.sock');
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return `unix://${path}`;
}

function program(name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** The one fact of that name, on a Debian on whose PATH is only what the test has put there. */
async function fact(
  name: string,
  env: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<MachineFact> {
  const machine = {
    platform: 'linux',
    readText: (path: string) => ({ '/etc/os-release': 'ID=debian\n', ...files })[path],
  };
  const facts = await engineFacts(
    { PATH: dir, HOME: dir, DOCKER_HOST: `unix://${join(dir, 'none.sock')}`, ...env },
    machine,
  );
  const found = facts.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no fact ${name} in ${JSON.stringify(facts)}`);
  return found;
}

describe('the doctor says of a container engine', () => {
  test('which version answers, and where it was found', async () => {
    const host = await listening(({ url }, response) =>
      response.end(url === '/version' ? '{"Version":"27.1","ApiVersion":"1.46"}' : '{}'),
    );
    expect(await fact('docker', { DOCKER_HOST: host })).toEqual({
      name: 'docker',
      state: 'good',
      found: `27.1 (API 1.46) at ${host} (DOCKER_HOST)`,
    });
  });

  test('that none is there, and how it is installed on this system', async () => {
    expect(await fact('docker')).toEqual({
      name: 'docker',
      state: 'weak',
      found: `no engine answers at unix://${dir}/none.sock (DOCKER_HOST): there is no such socket`,
      hint: 'install one: `apt-get install docker.io`',
    });
  });

  test('that it is to be started, where it is only installed', async () => {
    program('dockerd', ':');
    expect((await fact('docker')).hint).toBe('start it: `sudo systemctl start docker`');
  });

  test('that something else answers', async () => {
    const host = await listening((_, response) => response.end('hello'));
    expect((await fact('docker', { DOCKER_HOST: host })).found).toContain('is no container engine');
  });

  test('that it hangs, after a while', async () => {
    const host = await listening(() => undefined);
    const found = await fact('docker', { DOCKER_HOST: host });
    expect([found.state, found.found]).toEqual(['weak', expect.stringContaining('no answer within 3000 ms')]);
  });

  test('what is wrong with the place it is looked for at, without passwords', async () => {
    expect(await fact('docker', { DOCKER_HOST: 'ftp://me:s3cret@there' })).toMatchObject({
      state: 'weak',
      found: expect.not.stringContaining('s3cret') as unknown,
      hint: expect.stringContaining('DOCKER_HOST') as unknown,
    });
    expect((await fact('docker', { DOCKER_HOST: 'ssh://me@there' })).found).toBe(
      'ssh://me@there (DOCKER_HOST), not asked',
    );
    expect((await fact('docker', { DOCKER_HOST: '', DOCKER_CONTEXT: 'nope' })).found).toContain('`nope`');
  });

  const contexts = (current: string, known: Readonly<Record<string, string>>): void => {
    writeFileSync(join(dir, 'config.json'), current);
    for (const [name, meta] of Object.entries(known)) {
      const folder = join(dir, 'contexts/meta', createHash('sha256').update(name).digest('hex'));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'meta.json'), meta);
    }
  };
  const at = (host: string): string => JSON.stringify({ Endpoints: { docker: { Host: host } } });

  test.each<[string, Readonly<Record<string, string>>, string?]>([
    ['a host of an unknown kind', { DOCKER_HOST: 'ftp://there' }],
    ['a host that is none', { DOCKER_HOST: 'tcp://' }],
    ['a context that does not exist', { DOCKER_CONTEXT: 'nosuch' }],
    ['a current context that does not exist', {}, '{"currentContext": "nosuch"}'],
    ['a context that names no host', { DOCKER_CONTEXT: 'empty' }],
    ['a context that cannot be read', { DOCKER_CONTEXT: 'broken' }],
    ['a context with a host of an unknown kind', { DOCKER_CONTEXT: 'ftp' }],
    ['a configuration that cannot be read', {}, '{"currentContext": '],
    ['a socket that is not there', { DOCKER_CONTEXT: 'gone' }],
  ])('the same as the choice of a backend: %s is no engine', async (_, env, current = '{}') => {
    contexts(current, {
      empty: '{"Endpoints": {}}',
      broken: '{',
      ftp: at('ftp://there'),
      gone: at(`unix://${dir}/gone.sock`),
    });
    const around = { HOME: dir, DOCKER_CONFIG: dir, DOCKER_HOST: '', ...env };
    const choice = machineAvailability(around, dir)('docker');
    const told = await fact('docker', around);
    const engine = new EngineClient({ env: around });
    const used = await engine.request((docker) => docker.ping());
    engine.close();
    expect([choice.available, told.state, used.ok]).toEqual([false, 'weak', false]);
    const why = findEndpoint(around);
    if (!why.ok) {
      expect([choice.reason, told.found]).toEqual([why.error, why.error]);
      expect(used).toMatchObject({ error: { reason: why.error } });
    }
  });

  test.each([
    ['ID=debian', 'apt-get install docker.io'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'apt-get install docker.io'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'dnf install'],
    ['ID=arch', 'pacman -S docker'],
    ['ID=alpine', 'apk add docker'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'zypper install docker'],
    ['ID=nixos', 'virtualisation.docker.enable'],
    ['', 'docs.docker.com'],
  ])('on %j that it is installed by %s', (osRelease, hint) => {
    expect(installDocker({ platform: 'linux', readText: () => osRelease })).toContain(hint);
  });

  test('on macOS that brew has it', () => {
    expect(installDocker({ platform: 'darwin', readText: () => undefined })).toContain('brew install');
  });
});

describe('the doctor says of nix', () => {
  test('that flakes work', async () => {
    program('nix', 'if [ "$1" = --version ]; then echo "nix (Nix) 2.18.1"; else printf yes; fi');
    expect(await fact('nix')).toEqual({
      name: 'nix',
      state: 'good',
      found: `2.18.1 (${dir}/nix), flakes work`,
    });
  });

  test('why they do not', async () => {
    program(
      'nix',
      'if [ "$1" = --version ]; then echo "nix (Nix) 2.18.1"; exit; fi; echo "error: cannot open the store" >&2; exit 1',
    );
    expect(await fact('nix')).toMatchObject({
      state: 'weak',
      found: `2.18.1 (${dir}/nix): cannot open the store`,
      hint: expect.stringContaining('nix store ping') as unknown,
    });
    program('nix', 'echo "nix (Nix) 2.3.1"');
    expect(await fact('nix')).toMatchObject({ state: 'weak', found: 'nix 2.3.1 is older than flakes' });
  });

  test('that nobody is there to build', async () => {
    program(
      'nix',
      `if [ "$1" = --version ]; then echo "nix (Nix) 2.8.0"; exit; fi
echo "warning: the group 'nixbld' specified in 'build-users-group' does not exist" >&2; printf yes`,
    );
    expect(await fact('nix')).toMatchObject({
      state: 'weak',
      hint: expect.stringContaining('build-users-group') as unknown,
    });
  });
});

describe('the doctor says of bubblewrap', () => {
  test('that it works, and what this version lacks', async () => {
    program(
      'bwrap',
      'case $1 in --help) echo "--ro-bind --perms" ;; --version) echo "bubblewrap 0.4.0" ;; esac',
    );
    expect(await fact('bubblewrap')).toMatchObject({
      state: 'weak',
      found: expect.stringContaining(`0.4.0 (${dir}/bwrap), sandboxes and mounts work`) as unknown,
      hint: 'from 0.7 on it can bound the size of a tmpfs mount',
    });
  });

  test('that it may not do its work, and what helps', async () => {
    program('bwrap', 'echo "bwrap: No permissions to create new namespace" >&2; exit 1');
    const files = { '/proc/sys/kernel/unprivileged_userns_clone': '0\n' };
    expect(await fact('bubblewrap', {}, files)).toMatchObject({
      state: 'weak',
      hint: 'allow user namespaces: sysctl kernel.unprivileged_userns_clone=1',
    });
  });

  test('that it is missing, and how it is installed', async () => {
    expect(await fact('bubblewrap')).toMatchObject({
      state: 'weak',
      hint: 'install bubblewrap: apt-get install bubblewrap',
    });
  });
});

test('the doctor tries whether memory and processors can be held to a limit', async () => {
  const limits = await fact('limits');
  expect(['good', 'weak']).toContain(limits.state);
  expect(limits.found).toMatch(
    limits.state === 'good' ? /can be held/ : /no control group|needs a control group|could not/,
  );
});

test('on macOS the doctor looks for sandbox-exec instead', async () => {
  const facts = await engineFacts(
    { PATH: dir, HOME: dir },
    { platform: 'darwin', readText: () => undefined },
  );
  expect(facts.map(({ name }) => name)).toEqual(['docker', 'nix', 'sandbox-exec']);
  expect(facts.at(-1)).toMatchObject({ state: 'weak', found: 'not there' });
});
