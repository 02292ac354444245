import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest';
import { describeOnOwnEngine, IMAGE, OwnEngine } from '../backends/docker/engine.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** Counts its lines, so that one that is lost or comes twice shows. */
const COUNTING = 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.02; done';

const MANIFEST = `
x-container: &container
  image: ${IMAGE}
  docker: { pull: never, network_mode: none, init: true }
  backoff: { initial: 200ms, max: 500ms, jitter: 0 }
services:
  inside:
    <<: *container
    command: '${COUNTING}'
  outside:
    command: exec sleep 1000
`;

function isCounted(text: string): boolean {
  const numbers = text.split('\n').flatMap((line) => (line === '' ? [] : [Number(line.slice(5))]));
  return numbers.length > 0 && numbers.every((number, at) => number === at + 1);
}

describeOnOwnEngine('a project of containers and processes', () => {
  let keeping: OwnEngine;
  let ending: OwnEngine;

  beforeAll(async () => {
    keeping = await OwnEngine.start('--live-restore');
    ending = await OwnEngine.start();
  }, 120_000);
  afterAll(async () => {
    await keeping.stop();
    await ending.stop();
  }, 120_000);

  async function up(ctx: TestContext, engine: OwnEngine): Promise<TestProject> {
    const project = newProject(ctx, { 'setpoint.yaml': MANIFEST }, { DOCKER_HOST: engine.host });
    await project.ok('up', '-d', '--wait');
    await eventually('it counts', () => project.log('inside.1').includes('line 10\n'));
    return project;
  }

  const notKnown = async (project: TestProject): Promise<boolean> =>
    (await project.instance('inside.1'))?.unknown !== undefined;

  test('whose engine is killed: containers are unknown, processes untouched, and all goes on with the engine', async (ctx) => {
    const project = await up(ctx, keeping);
    const outside = await project.pidOf('outside.1');
    await keeping.kill();
    await eventually('the container is unknown', () => notKnown(project));
    expect((await project.instance('inside.1'))?.state.kind).toBe('running');
    expect(await project.pidOf('outside.1')).toBe(outside);
    expect((await project.instance('outside.1'))?.unknown).toBeUndefined();
    const before = project.log('inside.1').length;
    await keeping.start();
    await eventually('it is known again', async () => !(await notKnown(project)));
    await eventually('more of it comes', () => project.log('inside.1').length > before);
    expect(isCounted(project.log('inside.1'))).toBe(true);
    expect((await project.instance('inside.1'))?.restarts).toBe(0);
    expect(await project.pidOf('outside.1')).toBe(outside);
    await project.ok('down');
    expect(await keeping.docker.listContainers({ all: true })).toEqual([]);
  }, 120_000);

  test('whose engine hangs: the process can be stopped and started meanwhile', async (ctx) => {
    const project = await up(ctx, keeping);
    keeping.signal('SIGSTOP');
    try {
      await eventually('the container is unknown', () => notKnown(project), 60_000);
      await project.ok('restart', 'outside');
      await project.becomes('outside.1', 'running');
    } finally {
      keeping.signal('SIGCONT');
    }
    await eventually('it is known again', async () => !(await notKnown(project)));
    expect(isCounted(project.log('inside.1'))).toBe(true);
    await project.ok('down');
  }, 120_000);

  test('whose daemon is killed along with the engine: the next one takes the container over', async (ctx) => {
    const project = await up(ctx, keeping);
    await project.killDaemon();
    await keeping.kill();
    await project.ok('status');
    await eventually('the container is unknown', () => notKnown(project));
    await keeping.start();
    await eventually('it is known again', async () => !(await notKnown(project)));
    const before = project.log('inside.1').length;
    await eventually('more of it comes', () => project.log('inside.1').length > before);
    expect(isCounted(project.log('inside.1'))).toBe(true);
    expect((await project.instance('inside.1'))?.restarts).toBe(0);
    await project.ok('down');
  }, 120_000);

  test('whose containers end with their engine: they are started again, the process is not', async (ctx) => {
    const project = await up(ctx, ending);
    const outside = await project.pidOf('outside.1');
    await ending.kill();
    await eventually('the container is unknown', () => notKnown(project));
    await ending.start();
    const again = await eventually(
      'it was started again',
      async () => {
        const one = await project.instance('inside.1');
        return one !== undefined && one.restarts > 0 && one.state.kind === 'running' ? one : undefined;
      },
      60_000,
    );
    // An engine that comes back ends what it finds running: it asks first.
    expect([137, 143]).toContain(again.lastExit?.kind === 'code' ? again.lastExit.code : undefined);
    expect(await project.pidOf('outside.1')).toBe(outside);
    await project.ok('down');
  }, 120_000);

  test('a container that somebody removes is started again, with a reason', async (ctx) => {
    const project = await up(ctx, keeping);
    const [container] = await keeping.docker.listContainers();
    await keeping.docker.getContainer(container!.Id).remove({ force: true });
    await eventually('it was started again', async () => {
      const one = await project.instance('inside.1');
      return one !== undefined && one.restarts > 0 && one.state.kind === 'running';
    });
    await project.ok('down');
  }, 120_000);
});
