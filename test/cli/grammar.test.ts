import { describe, expect, test } from 'vitest';
import type { CliServices } from '../../src/cli/services.ts';
import { FakeDaemon, LOCATION, project, run, running, service } from './fake.ts';

const shop = project([service('web', [running()])]);

function recording(): { readonly files: (readonly string[])[]; readonly services: Partial<CliServices> } {
  const files: (readonly string[])[] = [];
  return {
    files,
    services: {
      locate: (request) => {
        files.push(request.files);
        return Promise.resolve({ ok: true, value: LOCATION });
      },
    },
  };
}

describe('the grammar of the command line', () => {
  test.each([
    [['-f', 'x.yaml', 'status']],
    [['status', '-f', 'x.yaml']],
    [['status', '-fx.yaml']],
    [['status', '--file=x.yaml']],
    [['--file', 'x.yaml', 'down']],
    [['check', '--file', 'x.yaml']],
    [['plan', '-f', 'x.yaml']],
    [['restart', '-f', 'x.yaml', 'web']],
    [['restart', 'web', '-f', 'x.yaml']],
    [['-f', 'x.yaml', 'logs']],
    [['logs', '--file', 'x.yaml', 'web']],
    [['-f', 'x.yaml', 'events']],
    [['wait', 'web', '-f', 'x.yaml']],
    [['explain', 'web', '-f', 'x.yaml']],
    [['config', '-f', 'x.yaml']],
    [['kill', '-f', 'x.yaml']],
    [['scale', 'web=1', '-f', 'x.yaml']],
    [['stop', '-f', 'x.yaml']],
    [['start', '-f', 'x.yaml']],
    [['up', '-d', '-f', 'x.yaml']],
  ])('%j names a manifest', async (argv) => {
    const { files, services } = recording();
    await run(argv, { daemon: new FakeDaemon(shop), services });
    expect(files).toEqual([['x.yaml']]);
  });

  test('-f after logs and events means follow, and --file names a manifest there', async () => {
    const daemon = new FakeDaemon(shop);
    const { files, services } = recording();
    const { signal, done } = await import('./fake.ts').then(({ Session }) => {
      const session = new Session(['-f', 'x.yaml', 'logs', '-f', '--file', 'y.yaml', 'web'], {
        daemon,
        services,
      });
      return { signal: () => session.signal('SIGINT'), done: session.done };
    });
    const { until } = await import('./fake.ts');
    await until(() => daemon.requests.logs.length > 0);
    signal();
    expect((await done).status).toBe(0);
    expect(files).toEqual([['x.yaml', 'y.yaml']]);
    expect(daemon.requests.logs).toEqual([
      { select: { names: ['web'], labels: [] }, follow: true, tail: 100 },
    ]);
  });

  test.each([
    [['statsu'], "error: unknown command 'statsu'\n  next: did you mean status?\n"],
    [['up', '--detatch'], "error: unknown option '--detatch'\n  next: did you mean --detach?\n"],
    [
      ['doctor', 'web'],
      "error: too many arguments for 'doctor'. Expected 0 arguments but got 1.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['status', '--format', 'yaml'],
      "error: option '--format <format>' argument 'yaml' is invalid. Allowed choices are text, json.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['wait', '--timeout', '60'],
      "error: option '--timeout <duration>' argument '60' is invalid. 60 has no unit: write 60s or 60ms.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['top', '--interval', '50ms'],
      "error: option '--interval <duration>' argument '50ms' is invalid. It must be 200ms or longer.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['attach', 'web', '--detach-keys', 'ctrl-p,,q'],
      "error: option '--detach-keys <keys>' argument 'ctrl-p,,q' is invalid. Detach keys are such as ctrl-p,ctrl-q: ctrl- and a letter, or single characters.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['daemon', 'restrat'],
      "error: command-argument value 'restrat' is invalid for argument 'action'. Allowed choices are status, restart, stop.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['explain'],
      'error: which service is to be explained?\n  next: `setpoint explain SERVICE`, or `setpoint explain --timeline` for how everything came up\n',
    ],
    [['status', 'wbe'], 'error: there is no service `wbe` in shop\n  next: did you mean `web`?\n'],
    [
      ['scale', 'web'],
      "error: command-argument value 'web' is invalid for argument 'service=number'. It must be SERVICE=NUMBER, such as web=3.\n  next: `setpoint help` lists the commands, `setpoint help COMMAND` its options\n",
    ],
    [
      ['status', '-C', '/nonexistent/x'],
      'error: there is no folder /nonexistent/x\n  next: check the path given with --directory\n',
    ],
    [['help', 'statu'], 'error: there is no help on `statu`\n  next: did you mean `setpoint help status`?\n'],
  ])('%j is bad usage', async (argv, said) => {
    const { status, out, err } = await run(argv, { daemon: new FakeDaemon(shop) });
    expect([status, out, err]).toEqual([2, '', said]);
  });

  test('--foreground excludes --detach', async () => {
    const { status, err } = await run(['up', '--foreground', '-d'], { daemon: new FakeDaemon(shop) });
    expect(status).toBe(2);
    expect(err).toContain("option '--foreground' cannot be used with option '-d, --detach'");
  });

  test('a service that is not there is bad usage, with what the daemon suggests', async () => {
    const { status, err } = await run(['explain', 'wbe'], { daemon: new FakeDaemon(shop) });
    expect([status, err]).toEqual([2, 'error: there is no service `wbe`\n  next: did you mean `web`?\n']);
  });

  test('a bug is told as one, and ends with 1', async () => {
    const services: Partial<CliServices> = { locate: () => Promise.reject(new TypeError('x is undefined')) };
    const { status, err } = await run(['status'], { services });
    expect(status).toBe(1);
    expect(err).toContain('error: this is a bug in setpoint: TypeError: x is undefined\n');
  });

  test('every command answers --help on stdout with 0, and its help names what every command takes', async () => {
    const { out } = await run(['help']);
    const names = [...out.matchAll(/^ {2}([a-z]+)(?:\||\s)/gm)].map(([, name]) => name ?? '');
    expect(names).toEqual(
      'up down reload start restart stop scale kill status top logs attach exec tui explain events wait plan check config init doctor daemon reap version completion help'.split(
        ' ',
      ),
    );
    for (const name of names) {
      const help = await run([name, '--help']);
      expect([help.status, help.err]).toEqual([0, '']);
      expect(help.out).toContain('--project-name <name>');
      expect(help.out).toContain(
        name === 'logs' || name === 'events' ? '  --file <path>' : '-f, --file <path>',
      );
    }
  });

  test('exit statuses are documented', async () => {
    const { status, out } = await run(['help', 'exit-status']);
    expect(status).toBe(0);
    expect(out.match(/^ {2}\d+/gm)?.map(Number)).toEqual([0, 1, 2, 3, 124, 130, 143]);
  });

  test('version is printed in text and as JSON', async () => {
    const text = await run(['version']);
    expect(text.out).toMatch(/^setpoint \d+\.\d+\.\d+ \(api 1, node [^ ]+, [a-z0-9]+-[a-z0-9]+\)\n$/);
    expect((await run(['--version'])).out).toBe(text.out);
    expect(JSON.parse((await run(['version', '--format', 'json'])).out)).toMatchObject({
      api: 1,
      node: process.versions.node,
    });
  });
});
