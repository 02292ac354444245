import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroups } from '../../../src/host/cgroup/cgroup.ts';
import { bootId, readIdentity } from '../../../src/host/identity.ts';
import { FILES, launcherArgs, launcherScript } from '../../../src/backends/native/launcher.ts';
import { type LauncherEnd, NativeProc } from '../../../src/backends/native/native-proc.ts';
import type { OomCounter } from '../../../src/host/oom.ts';
import { ProcessScanner } from '../../../src/host/unit-scan.ts';
import type { Limits } from '../../../src/core/service.ts';
import { eventually } from '../../rig/wait.ts';
import type { Rig } from './rig.ts';

/** Why no control group can be made here; undefined where one can. Throws where nothing may lack, see rig/needs.ts. */
export function lacksCgroups(): string | undefined {
  const made = createCgroups().make(`probe-${process.pid}`, { memory: 1024 * 1024, cpus: 1 });
  if (made.ok) {
    made.value?.remove();
    return undefined;
  }
  if (process.env['SETPOINT_TEST_REQUIRE_ALL'] !== undefined) throw new Error(made.error.message);
  return made.error.message;
}

export function removedGroups(group: Cgroup): Promise<unknown> {
  return eventually('the control group to be removed', () => !group.joins.some((path) => existsSync(path)));
}

interface Wiring {
  readonly instance?: string;
  readonly limits?: Limits;
  readonly scanner?: ProcessScanner;
  readonly oomCounter?: OomCounter;
}

interface Wired {
  readonly proc: NativeProc;
  readonly cgroup: Cgroup | undefined;
}

/** A script of /bin/sh under a real launcher, with all that a `NativeProc` can be given. */
export function startWired(rig: Rig, script: string, wiring: Wiring = {}): Wired {
  const request = rig.request(['/bin/sh', '-c', script], {}, { instance: wiring.instance ?? 'web.1' });
  const { run, instanceDir, stdoutPath, stderrPath } = request;
  const made = createCgroups().make(run, wiring.limits ?? {});
  if (!made.ok) throw new Error(made.error.message);
  const cgroup = made.value;
  const scriptPath = join(instanceDir, FILES.script);
  writeFileSync(scriptPath, launcherScript());
  const append = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
  const files = [
    openSync(stdoutPath, append),
    openSync(join(instanceDir, FILES.exit), append | constants.O_TRUNC),
    openSync('/dev/null', 'r'),
    openSync(stderrPath, append),
  ];
  const args = {
    scriptPath,
    run,
    bootId: bootId(),
    umask: '',
    limits: '',
    joins: cgroup?.joins ?? [],
    argv: request.launch.argv,
  };
  const child = spawn('/bin/sh', launcherArgs(args), {
    cwd: rig.dir,
    env: { ...rig.env(), SETPOINT_RUN: run },
    detached: true,
    stdio: ['ignore', ...files],
  });
  for (const fd of files) closeSync(fd);
  const ended = new Promise<LauncherEnd>((resolve) => {
    child.once('exit', (code, signal) => resolve({ status: { code, signal }, otherwise: 'nothing' }));
  });
  const proc = new NativeProc({
    run,
    instanceDir,
    launcher: readIdentity(child.pid ?? -1),
    scanner: wiring.scanner ?? new ProcessScanner(),
    ended,
    isLatest: () => true,
    cgroup,
    oomCounter: wiring.oomCounter,
    logPaths: [stdoutPath, stderrPath],
  });
  return { proc, cgroup };
}
