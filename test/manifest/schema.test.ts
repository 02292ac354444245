import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import type { AnySchemaObject } from 'ajv';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { load } from './memory-io.ts';

const root = new URL('../../', import.meta.url);
const schema = JSON.parse(
  readFileSync(new URL('schema/setpoint.schema.json', root), 'utf8'),
) as AnySchemaObject;
const definitions = schema['definitions'] as Record<string, AnySchemaObject>;

/** Every property of the schema, with the name of the definition that holds it. */
function properties(): [name: string, property: AnySchemaObject][] {
  const found: [string, AnySchemaObject][] = [];
  const walk = (at: string, node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [word, value] of Object.entries(node)) {
      if (word === 'properties' || word === 'patternProperties') {
        for (const [key, property] of Object.entries(value as Record<string, AnySchemaObject>)) {
          found.push([`${at}.${key}`, property]);
          walk(`${at}.${key}`, property);
        }
      } else if (word === 'definitions') {
        for (const [name, definition] of Object.entries(value as object)) walk(name, definition);
      } else if (word !== 'examples') walk(at, value);
    }
  };
  walk('manifest', schema);
  return found;
}

describe('the schema', () => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, keywords: ['errorMessage'] });
  ajv.addSchema({ $id: 'https://setpoint.invalid/manifest', definitions });

  test('finds properties at all', () => {
    expect(properties().length).toBeGreaterThan(60);
  });

  test.each(properties())('%s has a description and examples that it accepts itself', (_name, property) => {
    expect(property['description']).toMatch(/^[A-Z`].+\.$/s);
    const examples = property['examples'] as unknown[];
    expect(examples.length).toBeGreaterThan(0);
    const text = JSON.stringify(property).replaceAll('"#/', '"https://setpoint.invalid/manifest#/');
    const validate = ajv.compile(JSON.parse(text) as AnySchemaObject);
    for (const example of examples) expect([example, validate(example)]).toEqual([example, true]);
  });

  test('is what the page of keys is generated from', () => {
    const script = new URL('.config/generate.mjs', root).pathname;
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
  });
});

/** Uses every key that the schema has, each on a line of its own. */
const EVERYTHING = `
name: all
env: {A: b}
env_file: {path: a.env, required: false, format: dotenv}
defaults:
  replicas: 2
include:
  path: other.yaml
  env_file: a.env
redact: [X]
shutdown:
  timeout: 1s
secrets:
  one:
    file: secret.txt
  two:
    env: SECRET
volumes:
  data:
    name: all-data
    driver: local
    driver_opts: {type: none}
    labels: {a: b}
  theirs:
    external: true
networks:
  inner:
    name: all-inner
    driver: bridge
    driver_opts: {a: b}
    internal: true
    labels: {a: b}
  theirs:
    external: true
services:
  box:
    image: all
    build:
      context: .
      dockerfile: Dockerfile
      args: {A: b}
      target: last
      labels: {a: b}
      tags: [other]
      platform: linux/amd64
      no_cache: true
    entrypoint: [x]
    ports:
      edge:
        target: 80
        published: 8081
        host_ip: 127.0.0.1
        protocol: tcp
    ready: healthcheck
    live:
      healthcheck: true
    mounts:
      - type: bind
        source: .
        target: /x
        read_only: true
        optional: true
      - type: tmpfs
        target: /y
        size: 1MiB
        mode: '1777'
    secrets:
      - source: two
        env: TWO
    rollback: true
    docker:
      pull: always
      labels: {a: b}
      cap_add: [CHOWN]
      cap_drop: [ALL]
      user: root
      networks: [inner]
      extra_hosts: {a: host-gateway}
      workspace: .
      hide_git: true
      netrc: secret.txt
      gitconfig: true
      max_containers: 5
      platform: linux/amd64
      init: true
      read_only: true
      shm_size: 1MiB
      healthcheck:
        test: x
        interval: 1s
        timeout: 1s
        retries: 1
        start_period: 1s
  wide:
    docker:
      image: all
      entrypoint: [x]
      network_mode: host
      privileged: true
      pid: host
    replicas: 1
    backend_order: [docker, native]
    ports:
      - target: 90
        name: other
  built:
    docker:
      build: .
      healthcheck:
        disable: true
  flaky:
    command: x
    nix:
      flake: .
      shell: default
      cache_dir: .
      impure: true
    nice: 1
    sandbox:
      network: true
      read: [.]
      write: [.]
      profile: strict
  dep:
    command: x
    ports: {main: 1}
    ready:
      log:
        pattern: x
        stream: stdout
    live:
      exec: x
      interval: 1s
      timeout: 1s
      retries: 1
      start_period: 1s
      success: 1
    restart:
      policy: never
      max_restarts: 1
      window: 1s
      success_exit_codes: [0]
      on_codes: [1]
    schedule:
      cron: 0 3 * * *
      timezone: UTC
      overlap: queue
      on_start: true
      missed: run
    log:
      max_size: 1MiB
      keep: 1
      stderr: separate
  page:
    command: x
    ready:
      http:
        url: http://127.0.0.1/
        method: HEAD
        headers: {A: b}
        status: 200
    live:
      notify: true
    schedule:
      every: 1m
    tty: true
  all:
    x-untouched: {deep: 1}
    description: d
    labels: {a: b}
    backend: native
    command: x
    shell: /bin/bash
    cwd: .
    env: {B: c}
    env_file:
      path: b.env
      required: false
      format: raw
    env_append:
      PATH:
        value: x
        separator: ';'
        prepend: true
    inherit_env: false
    path: ./bin
    requires: [sh]
    ports: {http: 8080}
    socket: a.sock
    depends_on:
      dep:
        condition: log
        pattern: x
        timeout: 1s
        on_failure: stop
        required: false
    ready:
      http:
        port: http
        path: /x
        host: localhost
        scheme: https
    live:
      tcp:
        host: localhost
        port: 1
    restart: always
    watch:
      paths: .
      ignore: [x]
      debounce: 1s
      action:
        signal: SIGHUP
    stdin: pipe
    backoff:
      initial: 1s
      max: 2s
      multiplier: 3
      jitter: 0.5
      reset_after: 4s
    stop:
      signal: SIGINT
      grace: 1s
      command: x
      kill_tree: false
    timeout: 1m
    replicas: 1
    umask: '027'
    limits:
      open_files: 10
      processes: 20
      core_size: 1
      file_size: 1
      stack_size: 1
      locked_memory: 1
      address_space: 1
      cpu_time: 1s
      memory: 1g
      cpus: 1
    user: root
    profiles: [p]
    hooks:
      pre_start:
        command: x
        timeout: 1s
      post_start: x
      pre_stop: x
      post_stop: x
    errors:
      - match: x
        message: y
`;

describe('the loader', () => {
  const original = Reflect.get(Map.prototype, 'get') as (this: unknown, key: unknown) => unknown;
  afterEach(() => {
    Map.prototype.get = original as typeof Map.prototype.get;
    vi.restoreAllMocks();
  });

  /** The keys of the manifest that were asked for by name while loading, by their lines. */
  function touchedKeys(): Set<string> {
    const touched = new Set<string>();
    Map.prototype.get = function get(this: unknown, key: unknown) {
      const value = original.call(this, key);
      const place = (value as { keyPlace?: { file: string; line: number } } | undefined)?.keyPlace;
      if (place?.file === '/p/setpoint.yaml') touched.add(`${place.line} ${String(key)}`);
      return value;
    };
    const result = load(EVERYTHING, {
      files: {
        '/p/other.yaml': 'services: {}',
        '/p/a.env': '',
        '/p/bin': null,
        '/p/secret.txt': 'hunter2',
        '/p/Dockerfile': '',
        '/p/flake.nix': '',
        '/home/ada/.gitconfig': '',
      },
      hostEnv: { SECRET: 'hunter3' },
      profiles: ['p'],
    });
    Map.prototype.get = original as typeof Map.prototype.get;
    expect(result.diagnostics.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'warning wide-open',
      'warning wide-open',
    ]);
    return touched;
  }

  test('uses every key that the schema accepts, and the free ones never', () => {
    const written = [...EVERYTHING.split('\n').entries()].flatMap(([index, line]) => {
      const key = /^\s*(?:- )?([a-z_-]+):/.exec(line)?.[1];
      return key === undefined ? [] : [`${index + 1} ${key}`];
    });
    // Names that people choose, as opposed to keys of the schema.
    const services = ['box', 'wide', 'built', 'flaky', 'dep', 'page', 'all'];
    const chosen = [...services, 'x-untouched', 'one', 'two', 'data', 'theirs', 'inner', 'edge'];
    const keys = written.filter((entry) => !chosen.includes(entry.split(' ')[1] ?? ''));
    const touched = touchedKeys();
    expect(keys.filter((entry) => !touched.has(entry))).toEqual([]);
    expect([...touched].filter((entry) => entry.includes('x-'))).toEqual([]);

    const named = new Set(keys.map((entry) => entry.split(' ')[1]));
    const known = properties().flatMap(([name]) =>
      name.includes('^') ? [] : (name.split('.').at(-1) ?? ''),
    );
    expect(known.filter((name) => !named.has(name))).toEqual([]);
  });
});
