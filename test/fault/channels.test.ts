import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { eachRound, patienceMs } from '../rig/chance.ts';
import { descriptorsAreBack, descriptorsOf } from '../rig/faults.ts';
import { lacks } from '../rig/needs.ts';
import { isRunning, killIfThere, processesWith } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Both write numbered lines all the time, say back what they are told, and say so if their input ends. */
const TALKERS = `
services:
  screen: { command: [node, talk.cjs], tty: true }
  piped: { command: [node, talk.cjs], stdin: pipe }
`;
const TALK = `
let n = 0;
setInterval(() => { for (let i = 0; i < 5; i++) process.stdout.write('line ' + n++ + '\\n'); }, 5);
process.stdin.on('data', (data) => process.stdout.write('heard ' + JSON.stringify(data.toString()) + '\\n'));
process.stdin.on('end', () => process.stdout.write('no more input\\n'));
process.on('SIGTERM', () => process.exit(0));
process.on('SIGHUP', () => process.stdout.write('hung up\\n'));
`;
const TALKING = ['screen', 'piped'] as const;

function textOf(project: TestProject, service: string): string {
  return project.log(`${service}.1`).replaceAll('\r\n', '\n');
}

/** Its numbered lines, the last one left out, which may be half written. */
function numbered(project: TestProject, service: string): readonly string[] {
  return textOf(project, service)
    .split('\n')
    .filter((line) => line.startsWith('line '))
    .slice(0, -1);
}

async function talking(ctx: TestContext): Promise<TestProject> {
  const lack = lacks('script', 'stty');
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': TALKERS, 'talk.cjs': TALK });
  await project.ok('up', '-d', '--wait');
  for (const name of TALKING) await eventually(`${name} to talk`, () => numbered(project, name).length > 10);
  return project;
}

test(
  'kill -9 of the daemon while services write to a terminal and wait for input costs them nothing',
  async (ctx) => {
    const project = await talking(ctx);
    await project.ok('status');
    const pids = await Promise.all(TALKING.map((name) => project.pidOf(`${name}.1`)));
    let base: readonly string[] | undefined;
    await eachRound(3, async (chance, round) => {
      await chance.pause(100, 'killed');
      await project.killDaemon();
      for (const name of TALKING) {
        const written = numbered(project, name).length;
        await eventually(`${name} to go on`, () => numbered(project, name).length > written + 50);
      }
      await project.ok('status');
      expect(await Promise.all(TALKING.map((name) => project.pidOf(`${name}.1`)))).toEqual(pids);
      for (const name of TALKING) {
        const typed = await project.run(['attach', name, '--no-backlog'], { input: `round ${round}\n` });
        expect(typed.status, typed.stderr).toBe(0);
        await eventually(`${name} to have heard of round ${round}`, () =>
          textOf(project, name).includes(`heard "round ${round}\\n"`),
        );
        expect(textOf(project, name)).not.toMatch(/no more input|hung up/);
      }
      base ??= descriptorsOf(await project.daemonPid());
      await descriptorsAreBack(project, base);
    });
    await project.ok('down');
    for (const name of TALKING) {
      const lines = numbered(project, name);
      expect(lines).toEqual(lines.map((_, n) => `line ${n}`));
    }
    await project.nothingIsLeft();
  },
  patienceMs(),
);

test(
  'an attach session whose daemon is killed says so and ends, and the next one goes on',
  async (ctx) => {
    const project = await talking(ctx);
    await eachRound(2, async (chance) => {
      for (const name of TALKING) {
        const pid = await project.pidOf(`${name}.1`);
        const session = project.start(['attach', name, '--read-only']);
        await session.says(/line \d+/);
        await chance.pause(50, 'killed');
        await project.killDaemon();
        const { status, stderr } = await session.ended;
        expect(status).toBe(1);
        expect(stderr).toContain('daemon');
        expect(stderr).not.toMatch(/^ +at /m);
        const next = project.start(['attach', name, '--read-only']);
        await next.says(/line \d+/);
        next.signal('SIGINT');
        expect((await next.ended).status).toBe(0);
        expect(await project.pidOf(`${name}.1`)).toBe(pid);
      }
    });
    await project.ok('down');
    await project.nothingIsLeft();
  },
  patienceMs(),
);

/** Sends each line that it finds in the file `say` by sd_notify, and keep-alives while the file `alive` is there. */
const SPEAKER = `
use strict; use warnings; use Socket; use Time::HiRes 'sleep';
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
sub notify { send($socket, $_[0], 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) }
open(my $runs, '>>', 'runs'); print $runs "$$\\n"; close $runs;
while (1) {
  notify("WATCHDOG=1") if -e 'alive';
  if (-e 'say') {
    open(my $file, '<', 'say'); my @lines = <$file>; close $file;
    if (@lines) { chomp @lines; notify($_) for @lines; unlink 'say'; open(my $said, '>', 'said'); close $said }
  }
  sleep 0.02;
}
`;

function speaker(ctx: TestContext, probes: string): TestProject {
  const lack = lacks('perl');
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  speaker: { command: [perl, speaker.pl], ${probes}, backoff: { initial: 10ms, jitter: 0 } }
  other: { command: exec sleep 100000, depends_on: { speaker: ready } }
`,
    'speaker.pl': SPEAKER,
  });
  return project;
}

/** It has nothing of the project in its environment, but the instance's directory among its arguments. */
function receiver(project: TestProject): number | undefined {
  return processesWith(join(project.stateDir(), 'instances', 'speaker.1')).find(
    ({ command }) => !command.includes('launcher.sh'),
  )?.pid;
}

async function nothingIsLeft(project: TestProject): Promise<void> {
  await project.nothingIsLeft();
  await eventually('no receiver to be left', () => receiver(project) === undefined);
}

test(
  'READY=1 that is sent while no daemon lives is seen by the next one, and dependents start then',
  async (ctx) => {
    const project = speaker(ctx, 'ready: { notify: true }');
    await eachRound(2, async (chance) => {
      await project.ok('up', '-d');
      await eventually('it to have begun', () => project.lines('runs').length > 0);
      await project.becomes('other.1', 'waiting');
      await project.killDaemon();
      await chance.pause(30, 'said');
      project.write('say', 'STATUS=warming up\nREADY=1\n');
      await eventually('it to have said so', () => project.read('say') === '');
      await project.ok('status');
      const ready = await eventually('the daemon to know', async () => {
        const state = (await project.instance('speaker.1'))?.state;
        return state?.kind === 'running' && state.readiness?.kind === 'ready' && state;
      });
      expect(isRunning(ready.pid ?? 0)).toBe(true);
      expect(project.lines('runs')).toEqual([String(ready.pid)]);
      await project.becomes('other.1', 'running');
      const base = descriptorsOf(await project.daemonPid());
      expect(await project.ok('plan')).toContain('Nothing to do.');
      await descriptorsAreBack(project, base);
      await project.ok('down');
      await nothingIsLeft(project);
      project.write('runs', '');
    });
  },
  patienceMs(),
);

const WATCHED = 'ready: { notify: true }, live: { notify: true, interval: 300ms, retries: 1 }';

test(
  'a service that falls silent is restarted, be it before the eyes of a daemon or before the next one',
  async (ctx) => {
    const project = speaker(ctx, WATCHED);
    project.write('alive', '');
    project.write('say', 'READY=1\n');
    await project.ok('up', '-d', '--wait');
    await eachRound(2, async (_, round) => {
      const [pid, other] = [await project.pidOf('speaker.1'), await project.pidOf('other.1')];
      if (round % 2 === 0) await project.killDaemon();
      process.kill(pid, 'SIGSTOP');
      if (round % 2 === 0) await project.ok('status');
      const base = descriptorsOf(await project.daemonPid());
      await eventually('the next run', () => project.lines('runs').length === round + 1);
      expect(isRunning(pid)).toBe(false);
      expect(await project.becomes('speaker.1', 'running')).toMatchObject({
        lastExit: { kind: 'unhealthy', reason: { output: expect.stringContaining('WATCHDOG=1') as string } },
      });
      project.write('say', 'READY=1\n');
      await eventually('it to be ready', async () => {
        const state = (await project.instance('speaker.1'))?.state;
        return state?.kind === 'running' && state.readiness?.kind === 'ready';
      });
      expect(await project.pidOf('other.1')).toBe(other);
      await descriptorsAreBack(project, base);
    });
    await project.ok('down');
    await nothingIsLeft(project);
  },
  patienceMs(),
);

test(
  'when the receiver of its messages is killed, a watched service is restarted with another one',
  async (ctx) => {
    const project = speaker(ctx, WATCHED);
    project.write('alive', '');
    project.write('say', 'READY=1\n');
    await project.ok('up', '-d', '--wait');
    const base = descriptorsOf(await project.daemonPid());
    await eachRound(2, async (_, round) => {
      const old = receiver(project);
      expect(old).toBeDefined();
      killIfThere(old ?? 0);
      await eventually('the next run', () => project.lines('runs').length === round + 1);
      expect(await project.becomes('speaker.1', 'running')).toMatchObject({
        lastExit: { kind: 'unhealthy' },
      });
      project.write('say', 'READY=1\n');
      await eventually('it to be ready', async () => {
        const state = (await project.instance('speaker.1'))?.state;
        return state?.kind === 'running' && state.readiness?.kind === 'ready';
      });
      expect(receiver(project)).not.toBe(old);
    });
    await descriptorsAreBack(project, base);
    await project.ok('down');
    await nothingIsLeft(project);
  },
  patienceMs(),
);
