// How each peer is told to run `count` copies of a command, and to stop them. A peer takes part when it is found on PATH
// or in a folder named by SETPOINT_BENCH_PATH.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const searchPath = [
  ...(process.env.SETPOINT_BENCH_PATH ?? '').split(delimiter),
  ...(process.env.PATH ?? '').split(delimiter),
];
export const find = (program) =>
  searchPath
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(existsSync);

const SETPOINT = resolve(import.meta.dirname, '../../dist/setpoint.cjs');

export function run(argv, options = {}) {
  const child = spawn(argv[0], argv.slice(1), { stdio: 'ignore', detached: true, ...options });
  child.on('error', (error) => console.error(`${argv[0]}: ${error.message}`));
  return child;
}

const ended = (child) =>
  new Promise((done) =>
    child.exitCode !== null || child.signalCode !== null ? done() : child.once('exit', done),
  );

/** A peer that stays in the foreground and stops its services when it gets `signal`. */
const foreground = (name, argvOf, prepare, signal = 'SIGTERM') => ({
  name,
  available: () => find(name) !== undefined,
  start: (bench) => {
    prepare(bench);
    bench.child = run(argvOf(find(name), bench.folder), { cwd: bench.folder, env: bench.env });
  },
  stop: async (bench) => {
    bench.child.kill(signal);
    await ended(bench.child);
  },
});

/** A port of its own for each round: the one of the round before may not be free yet. */
let mprocsPort = 4_100 + (process.pid % 800);

const numbers = (count) => Array.from({ length: count }, (_, i) => i + 1);

export const peers = [
  {
    name: 'setpoint',
    available: () => existsSync(SETPOINT),
    start: (bench) => {
      const services = numbers(bench.count).map((i) => `  s${i}:\n    command: [${bench.argv.join(', ')}]\n`);
      writeFileSync(join(bench.folder, 'setpoint.yaml'), `services:\n${services.join('')}`);
      bench.child = run([process.execPath, SETPOINT, 'up', '-d'], { cwd: bench.folder, env: bench.env });
    },
    stop: async (bench) => {
      await ended(run([process.execPath, SETPOINT, 'down'], { cwd: bench.folder, env: bench.env }));
    },
    isManager: (command) => command.includes('__daemon'),
  },
  {
    ...foreground(
      'mprocs',
      // It needs a terminal; `script` gives it one.
      (program, folder) => ['script', '-qefc', `${program} --config ${folder}/mprocs.yaml`, '/dev/null'],
      ({ folder, argv, count }) => {
        const procs = numbers(count).map(
          (i) => `  s${i}:\n    cmd: [${argv.map((a) => `"${a}"`).join(', ')}]\n`,
        );
        writeFileSync(
          join(folder, 'mprocs.yaml'),
          `server: 127.0.0.1:${mprocsPort}\nprocs:\n${procs.join('')}`,
        );
      },
    ),
    stop: async (bench) => {
      run([find('mprocs'), '--server', `127.0.0.1:${mprocsPort}`, '--ctl', '{c: force-quit}'], {
        env: bench.env,
      });
      await ended(bench.child);
    },
    isManager: (command) => /(^|\/)mprocs /.test(command) && !command.startsWith('script'),
  },
  {
    ...foreground(
      's6-svscan',
      (program, folder) => [program, '-c', '1000', `${folder}/scan`],
      ({ folder, argv, count }) => {
        for (const i of numbers(count)) {
          const service = join(folder, 'scan', `s${i}`);
          mkdirSync(service, { recursive: true });
          writeFileSync(join(service, 'run'), `#!/bin/sh\nexec ${argv.join(' ')}\n`);
          chmodSync(join(service, 'run'), 0o755);
        }
      },
    ),
    isManager: (command) => /s6-(svscan|supervise)/.test(command),
  },
  {
    ...foreground(
      'supervisord',
      (program, folder) => [program, '-n', '-c', `${folder}/supervisord.conf`],
      ({ folder, argv, count }) => {
        const programs = numbers(count).map(
          (i) =>
            `[program:s${i}]\ncommand=${argv.join(' ')}\nstartsecs=0\nstdout_logfile=${folder}/s${i}.log\nredirect_stderr=true\n`,
        );
        const head = `[supervisord]\nnodaemon=true\nminfds=4096\nlogfile=${folder}/supervisord.log\npidfile=${folder}/supervisord.pid\n`;
        writeFileSync(join(folder, 'supervisord.conf'), `${head}\n${programs.join('\n')}`);
      },
    ),
    isManager: (command) => command.includes('supervisord'),
  },
  {
    name: 'pm2',
    available: () => find('pm2') !== undefined,
    start: (bench) => {
      const [script, ...args] = bench.argv;
      const apps = numbers(bench.count).map((i) => ({
        name: `s${i}`,
        script: `/bin/${script}`,
        args,
        interpreter: 'none',
      }));
      writeFileSync(join(bench.folder, 'pm2.json'), JSON.stringify({ apps }));
      bench.env.PM2_HOME = join(bench.folder, 'pm2');
      bench.child = run([find('pm2'), 'start', 'pm2.json'], { cwd: bench.folder, env: bench.env });
    },
    stop: async (bench) => {
      await ended(run([find('pm2'), 'kill'], { cwd: bench.folder, env: bench.env }));
    },
    isManager: (command) => command.includes('God Daemon'),
  },
  {
    ...foreground(
      'process-compose',
      (program, folder) => [
        program,
        'up',
        '-t=false',
        '-p',
        String(4900 + (process.pid % 90)),
        '-f',
        `${folder}/process-compose.yaml`,
      ],
      ({ folder, argv, count }) => {
        const processes = numbers(count).map((i) => `  s${i}:\n    command: "exec ${argv.join(' ')}"\n`);
        writeFileSync(
          join(folder, 'process-compose.yaml'),
          `version: "0.5"\nprocesses:\n${processes.join('')}`,
        );
      },
    ),
    isManager: (command) => command.includes('process-compose'),
  },
  {
    ...foreground(
      'overmind',
      (program) => [program, 'start', '-D', '-f', 'Procfile'],
      ({ folder, argv, count }) => {
        const lines = numbers(count).map((i) => `s${i}: exec ${argv.join(' ')}`);
        writeFileSync(join(folder, 'Procfile'), `${lines.join('\n')}\n`);
      },
    ),
    stop: async (bench) => {
      await ended(run([find('overmind'), 'quit'], { cwd: bench.folder, env: bench.env }));
    },
    isManager: (command) => command.includes('overmind') || command.startsWith('tmux'),
  },
];
