import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

// More rounds take longer.
vi.setConfig({ testTimeout: rounds(30_000) });

/** `talker` writes a few MiB a second, so that a follower that does not read falls behind at once. */
const SERVICES = `services:
  talker: { command: [node, -e, "const line = 'x'.repeat(1000) + '\\\\n'; setInterval(() => process.stdout.write(line.repeat(100)), 20)"], log: { max_size: 8MiB, keep: 0 } }
  looper: { command: [/bin/false], backoff: { initial: 50ms, max: 50ms, jitter: 0 } }
  still: { command: exec sleep 1000 }
`;

const HOST = 'host: setpoint\r\n';
const MANY = 1_000;
const LARGE = 10_000_000;

/** Resident bytes of a process. */
function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

/** A connection that has sent `bytes` and then reads nothing; `got`: what it was answered, where it reads. */
interface Dialled {
  readonly socket: Socket;
  got: string;
  closed: boolean;
}

function dial(path: string, bytes: string | Buffer, reads: boolean): Promise<Dialled> {
  return new Promise((done, fail) => {
    const socket = connect(path);
    const dialled: Dialled = { socket, got: '', closed: false };
    socket.once('error', fail);
    socket.once('close', () => (dialled.closed = true));
    socket.once('connect', () => {
      socket.off('error', fail).on('error', () => undefined);
      if (reads)
        socket.on(
          'data',
          (piece: Buffer) => (dialled.got = (dialled.got + piece.toString('latin1')).slice(0, 2_000)),
        );
      else socket.pause();
      socket.write(bytes);
      done(dialled);
    });
  });
}

const STATUS = `GET /v1/status HTTP/1.1\r\n${HOST}\r\n`;

function post(path: string, head: string): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}content-type: application/json\r\n${head}\r\n`;
}

/** What clients may do to a daemon, by name: what they send, and whether they read what they get. */
const CLIENTS: readonly (readonly [name: string, bytes: () => string | Buffer, reads: boolean])[] = [
  ['silent', () => '', false],
  ['half a request', () => STATUS.slice(0, 1 + Math.floor(Math.random() * (STATUS.length - 2))), false],
  ['half a body', () => `${post('/v1/apply', 'content-length: 1000\r\n')}{"load":`, false],
  ['a watcher that does not read', () => `GET /v1/watch HTTP/1.1\r\n${HOST}\r\n`, false],
  [
    'a follower that does not read',
    () => `GET /v1/logs?follow=true&name=talker HTTP/1.1\r\n${HOST}\r\n`,
    false,
  ],
  [
    'a follower of events that does not read',
    () => `GET /v1/events?follow=true HTTP/1.1\r\n${HOST}\r\n`,
    false,
  ],
  ['a watcher that reads', () => `GET /v1/watch HTTP/1.1\r\n${HOST}\r\n`, true],
  ['many requests at once', () => STATUS.repeat(50), false],
  ['garbage', () => Buffer.from(Array.from({ length: 200 }, () => Math.floor(Math.random() * 256))), true],
  ['another protocol', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', true],
];

/** Sees to it that somebody who asks properly is answered all the time; throws at the end where one was not. */
class Visitor {
  answered = 0;
  slowestMs = 0;
  readonly #done: Promise<void>;
  #over = false;

  constructor(project: TestProject) {
    this.#done = (async () => {
      while (!this.#over) {
        const began = performance.now();
        const snapshot = await project.snapshot();
        this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
        expect(snapshot.services).toHaveLength(3);
        this.answered += 1;
      }
    })();
    // Looked at in `leave`.
    this.#done.catch(() => undefined);
  }

  async leave(): Promise<void> {
    this.#over = true;
    await this.#done;
  }
}

async function crowdIn(socket: string): Promise<Dialled[]> {
  const clients: Dialled[] = [];
  for (let n = 0; n < MANY; n += 50) {
    const some = Array.from({ length: 50 }, (_, k) => {
      const [, bytes, reads] = CLIENTS[(n + k) % CLIENTS.length] ?? ['', () => '', false];
      return dial(socket, bytes(), reads);
    });
    clients.push(...(await Promise.all(some)));
  }
  return clients;
}

test('a thousand connections that want too much, or nothing, or cannot say it, do not take the daemon from others', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': SERVICES });
  await project.run(['up', '-d']);
  const pids = [await project.pidOf('talker.1'), await project.pidOf('still.1')];
  const daemon = await project.daemonPid();
  const socket = project.socket() ?? '';
  await eventually('the talker to have talked', () => project.log('talker.1').length > 200_000);
  const base = descriptorsOf(daemon);
  const before = rssOf(daemon);
  let most = before;
  const visitor = new Visitor(project);
  for (let round = 1; round <= rounds(1); round += 1) {
    const clients = await crowdIn(socket);
    const answered = visitor.answered;
    await eventually('the others to be answered', () => {
      most = Math.max(most, rssOf(daemon));
      return visitor.answered > answered + 50;
    });
    expect(await project.ok('status'), `round ${round}`).toMatch(/^still +running/m);
    for (const [n, { got, closed }] of clients.entries()) {
      const [name] = CLIENTS[n % CLIENTS.length] ?? [''];
      if (name === 'garbage' || name === 'another protocol')
        expect([name, closed, got.slice(0, 12)]).toEqual([name, true, 'HTTP/1.1 400']);
      if (name === 'a watcher that reads') expect(got).toMatch(/^HTTP\/1\.1 200 .*"type":"snapshot"/s);
    }
    for (const { socket: one } of clients) one.destroy();
    await descriptorsAreBack(project, base);
  }
  await visitor.leave();
  const after = rssOf(daemon);
  // Without a bound, 100 followers of the talker alone would cost that many times 5 MB a second.
  expect(most - before).toBeLessThan(300 * 1024 * 1024);
  expect([await project.pidOf('talker.1'), await project.pidOf('still.1')]).toEqual(pids);
  console.info(
    `crowd: ${visitor.answered} requests answered beside ${MANY} connections, the slowest in ${Math.round(visitor.slowestMs)} ms; ` +
      `daemon resident ${mib(before)} before, ${mib(most)} at most, ${mib(after)} after`,
  );
  await project.ok('down');
  await project.nothingIsLeft();
});

test('bodies of 10 MB are refused, each with an answer, and cost nothing', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': SERVICES });
  await project.run(['up', '-d']);
  await project.pidOf('still.1');
  const daemon = await project.daemonPid();
  const socket = project.socket() ?? '';
  await eventually('it to loop', async () => ((await project.instance('looper.1'))?.restarts ?? 0) > 5);
  const base = descriptorsOf(daemon);
  const before = rssOf(daemon);
  let most = before;
  const visitor = new Visitor(project);
  const body = Buffer.alloc(LARGE, 0x20);
  const chunked = Buffer.concat([
    Buffer.from(`${LARGE.toString(16)}\r\n`),
    body,
    Buffer.from('\r\n0\r\n\r\n'),
  ]);
  const kinds: readonly (readonly [string, Buffer])[] = [
    ['told', Buffer.concat([Buffer.from(post('/v1/apply', `content-length: ${LARGE}\r\n`)), body])],
    ['in chunks', Buffer.concat([Buffer.from(post('/v1/plan', 'transfer-encoding: chunked\r\n')), chunked])],
    ['to nowhere', Buffer.concat([Buffer.from(post('/v1/nothing', `content-length: ${LARGE}\r\n`)), body])],
  ];
  for (let round = 1; round <= rounds(3); round += 1) {
    const clients = await Promise.all(
      Array.from({ length: 12 }, (_, n) => dial(socket, kinds[n % kinds.length]?.[1] ?? '', true)),
    );
    await eventually(`round ${round}: an answer for each`, () => {
      most = Math.max(most, rssOf(daemon));
      return clients.every(({ got, closed }) => closed || got.includes('\r\n\r\n{"error"'));
    });
    expect(clients.map(({ got }) => got.slice(9, 12))).toEqual(
      clients.map((_, n) => ['413', '413', '404'][n % 3]),
    );
    for (const { socket: one } of clients) one.destroy();
  }
  await descriptorsAreBack(project, base);
  await visitor.leave();
  expect(most - before).toBeLessThan(300 * 1024 * 1024);
  console.info(
    `crowd: beside bodies of ${mib(LARGE)} ${visitor.answered} requests answered, the slowest in ${Math.round(visitor.slowestMs)} ms; ` +
      `daemon resident ${mib(before)} before, ${mib(most)} at most`,
  );
  await project.ok('down');
  await project.nothingIsLeft();
});
