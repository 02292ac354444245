import { describe, expect, test } from 'vitest';
import { load, placesOf } from './memory-io.ts';

const service = (body: string) => `services:\n  web:\n    command: x\n    ${body}\n`;

/** The first diagnostic of a manifest with one service, `web`, that has these further keys from line 4, column 5. */
function problemOf(body: string) {
  const { diagnostics } = load(service(body));
  expect(placesOf(diagnostics)).toHaveLength(1);
  const [diagnostic] = diagnostics;
  const note = diagnostic?.labels[0]?.note;
  const column = diagnostic?.labels[0]?.place.column;
  return { code: diagnostic?.code, message: diagnostic?.message, note, column };
}

test('a manifest with ten different mistakes prints ten located diagnostics', () => {
  const { diagnostics, project } = load(`services:
  api:
    comand: node server.js
    restart: sometimes
    depends_on: [databse, cache]
    backoff: {max: 30}
  cache:
    command: [redis-server]
    ports: {main: 70000}
    depends_on: [api]
    replicas: two
    stop: {signal: SIGTREM, kill_tree: "no"}
  database:
    command: postgres
    limits: {memroy: 1g}
`);
  expect(project).toBeUndefined();
  expect(placesOf(diagnostics)).toEqual([
    'unknown-key 3:5',
    'bad-value 4:14',
    'unknown-service 5:18',
    'dependency-cycle 5:27',
    'bad-duration 6:20',
    'bad-port 9:19',
    'wrong-type 11:15',
    'bad-signal 12:20',
    'wrong-type 12:40',
    'unknown-key 15:14',
  ]);
  expect(
    diagnostics.map(({ labels: [label] }) => label?.place.source?.slice(label.place.column - 1)),
  ).toEqual([
    'comand: node server.js',
    'sometimes',
    'databse, cache]',
    'cache]',
    '30}',
    '70000}',
    'two',
    'SIGTREM, kill_tree: "no"}',
    '"no"}',
    'memroy: 1g}',
  ]);
});

describe('one mistake yields one diagnostic that says what was expected', () => {
  test.each([
    ['backoff: {max: 30}', 'bad-duration', /30 has no unit: write 30s or 30ms/, /^expected a duration/],
    ['timeout: 5x', 'bad-duration', /not a unit of time/, /^expected a duration/],
    ['timeout: [5s]', 'wrong-type', /`timeout` in service `web` is a list/, /^expected a duration/],
    ['timeout:', 'wrong-type', /is empty/, /^expected a duration/],
    ['limits: {core_size: 5q}', 'bad-size', /not a unit of size/, /^expected a size/],
    ['limits: {cpu: 2}', 'unknown-key', /unknown key `cpu` in `limits` of service `web`/, /`cpus`/],
    ['limits: {cpus: 0}', 'bad-value', /`0` is not valid for `limits.cpus`/, /^expected a number of CPUs/],
    ['limits: {cpus: two}', 'wrong-type', /`limits.cpus` in service `web` is a text/, /number of CPUs/],
    ['limits: {memory: 512}', 'bad-size', /512 B is too little/, /a number without a unit counts bytes/],
    ['limits: {memory: lots}', 'bad-size', /not a size/, /^expected a size/],
    ['mem_limit: 1g', 'unknown-key', /`mem_limit`/, /did you mean `limits: {memory: ...}`\?/],
    ['limits: {cpu_time: 500ms}', 'bad-duration', /whole seconds/, /at least 1s/],
    ['umask: 999', 'bad-umask', /octal/, /octal/],
    ['umask: 8', 'bad-umask', /octal/, /octal/],
    ['replicas: -1', 'bad-value', /`-1` is not valid for `replicas`/, /^expected a whole number/],
    ['replicas: 1.5', 'bad-value', /`1.5` is not valid/, /whole number/],
    ['restart: alway', 'bad-value', /`alway` is not valid for `restart`/, /did you mean `always`\?/],
    ['restart: no', 'bad-value', /`no` is not valid/, /did you mean `never`\?/],
    ['restart: [never]', 'wrong-type', /`restart` in service `web` is a list/, /^expected `never`/],
    ['restart: on-failure:3', 'bad-value', /on-failure:3/, /`{policy: on-failure, max_restarts: 3}`\?/],
    ['restart: {policy: no}', 'bad-value', /`no` is not valid for `restart.policy`/, /`never`\?/],
    ['restart: {max_retries: 3}', 'unknown-key', /`max_retries` in `restart`/, /`max_restarts`\?/],
    ['restart: {max_restarts: -1}', 'bad-value', /`-1`/, /whole number/],
    ['restart: {window: 0s}', 'bad-duration', /0s is too short/, /at least 1ms/],
    [
      'restart: {on_codes: []}',
      'wrong-type',
      /`restart.on_codes` in service `web` is an empty list/,
      /^expected a/,
    ],
    ['restart: {success_exit_codes: [256]}', 'bad-value', /`256` is not valid for item 1/, /0 to 255/],
    ['restart: {success_exit_codes: 0}', 'wrong-type', /is a number/, /^expected a list/],
    ['availability: {}', 'unknown-key', /`availability`/, /Setpoint calls this `restart: /],
    ['stop: {signal: SIGTRM}', 'bad-signal', /SIGTRM/, /did you mean `SIGTERM`\?/],
    ['stop: {grase: 1s}', 'unknown-key', /`grase` in `stop` of service `web`/, /did you mean `grace`\?/],
    ['backend: docker', 'missing-key', /runs on docker, but has no `image`/, /^expected one of them/],
    ['backend: container', 'bad-value', /`container`/, /did you mean `docker`\?/],
    ['backend: nativ', 'bad-value', /`nativ`/, /did you mean `native`\?/],
    ['container_name: redis', 'unknown-key', /unknown key `container_name`/, /this is not supported: /],
    ['volumes: [".:/x"]', 'unknown-key', /unknown key `volumes`/, /did you mean `mounts`\?/],
    ['networks: [x]', 'unknown-key', /unknown key `networks`/, /did you mean `docker: {networks: ...}`\?/],
    ['environment: {}', 'unknown-key', /`environment`/, /did you mean `env`\?/],
    ['depends_on: [web]', 'self-dependency', /depends on itself/, undefined],
    ['depends_on: [wob]', 'unknown-service', /unknown service `wob`/, /did you mean `web`\?/],
    ['ports: {http: 0}', 'bad-port', /`0` is not valid/, /1 to 65535/],
    ['ports: {http: any}', 'bad-port', /`any` is not valid/, /`auto`/],
    ['ports: {"a b": 1}', 'bad-port-name', /cannot be used/, /letters/],
    ['ports: ["8080:80"]', 'unsupported-port-form', /native backend/, /write 8080/],
    ['ports: ["127.0.0.1:80:80"]', 'unsupported-port-form', /native backend/, undefined],
    ['ports: ["53/udp"]', 'unsupported-port-form', /native backend/, undefined],
    ['ports: ["80-90"]', 'unsupported-port-form', /native backend/, /own entry/],
    ['ports: [http]', 'bad-port', /is not a port/, /8080/],
    ['ports: {a: 5, b: 5}', 'port-conflict', /both take 5/, /takes 5/],
    ['env: ["=x"]', 'bad-env-entry', /item 1 of `env` in service `web` has no name/, /NAME=VALUE/],
    ['env: ["A b"]', 'bad-env-entry', /item 1 of `env` in service `web` has no `=`/, undefined],
    ['env: {"": x}', 'bad-env-entry', /entry 1 of `env` in service `web` is empty/, undefined],
    ['env: {"A=B": x}', 'bad-env-entry', /holds a `=`/, undefined],
    ['env: {A: "x\\0y"}', 'bad-env-entry', /NUL/, undefined],
    ['env: {A: [x]}', 'wrong-type', /`env.A` in service `web` is a list/, /^expected a text/],
    ['env: [A: b]', 'wrong-type', /item 1 of `env` in service `web` is a map/, /NAME=VALUE/],
    ['env: x', 'wrong-type', /is a text/, /^expected a map of variables/],
    ['env_file: none.env', 'missing-env-file', /none.env does not exist/, undefined],
    ['cwd: ./none', 'missing-cwd', /does not exist/, undefined],
    ['errors: [nod]', 'bad-value', /`nod` is not valid for item 1 of `errors`/, /did you mean `node`\?/],
    ['errors: [{match: "(", message: x}]', 'bad-regex', /regular expression/, undefined],
    ['errors: [{match: "(a+)+", message: x}]', 'bad-regex', /for ever/, undefined],
    ['errors: [{match: a}]', 'missing-key', /`message` is missing in item 1 of `errors`/, undefined],
    ['hooks: {pre_start: {comand: x}}', 'unknown-key', /in `hooks.pre_start` of/, /did you mean `command`\?/],
    [
      'hooks: {pre_start: []}',
      'wrong-type',
      /`hooks.pre_start` in service `web` is an empty list/,
      /expected a command/,
    ],
    ['socket: ""', 'wrong-type', /is an empty text/, /^expected a path/],
    ['shell: ""', 'wrong-type', /is an empty text/, /^expected a command/],
    ['user: -1', 'bad-value', /`-1`/, /user name or number/],
    ['profiles: debug', 'wrong-type', /is a text/, /list of profile names/],
    ['cwd: "${services.web.host}"', 'late-reference', /known before anything starts/, undefined],
    ['env: {A: "${services.wob.host}"}', 'unknown-service', /`wob`/, /did you mean `web`\?/],
    ['env: {A: "${services.web.ports.x}"}', 'unknown-port', /has no port `x`/, undefined],
    ['env: {A: "${nothing.there}"}', 'invalid-reference', /refers to nothing/, undefined],
    ['env: {A: "${A:?need A}"}', 'required-variable', /need A/, undefined],
    ['env: {A: "${A!x}"}', 'invalid-interpolation', undefined, undefined],
    ['env: {A: }', 'unset-variable', /no `A` to pass on/, undefined],
  ])('%s', (body, code, message, note) => {
    const problem = problemOf(body);
    expect(problem.code).toBe(code);
    if (message !== undefined) expect(problem.message).toMatch(message);
    if (note !== undefined) expect(problem.note).toMatch(note);
  });

  test('of a service', () => {
    const one = (text: string) => load(text).diagnostics.map(({ code, message }) => `${code}: ${message}`);
    expect(one('services: {web: {}}')).toEqual(['missing-command: the service `web` has no `command`']);
    expect(one('services: {web: }')).toEqual(['wrong-type: service `web` is empty']);
    expect(one('services: {Web: {command: x}}')).toEqual([
      'bad-service-id: `Web` cannot be the id of a service',
    ]);
    expect(one('services: {web: {command: []}}')).toHaveLength(1);
    expect(one('services: {web: {command: [""]}}')).toHaveLength(1);
    expect(one('services: {web: {command: " "}}')).toHaveLength(1);
    expect(one('service: {}')).toHaveLength(2);
    expect(one('name: x')).toEqual(['no-services: the manifest has no `services`']);
    expect(one('services: []')).toEqual(['wrong-type: `services` is an empty list']);
    expect(one('services: {}\nconfigs: {}')).toEqual(['unknown-key: unknown key `configs`']);
    expect(one('services: {}\nsecrets: {}')).toEqual([]);
    expect(one('services: {}')).toEqual([]);
  });
});

describe('across services', () => {
  test('every cycle is told once, with all its edges', () => {
    const { diagnostics } = load(`services:
  a: {command: x, depends_on: [b]}
  b: {command: x, depends_on: {c: started}}
  c: {command: x, depends_on: [a]}
  d: {command: x, depends_on: [e]}
  e: {command: x, depends_on: [d]}
`);
    expect(diagnostics.map(({ message }) => message)).toEqual(['a -> b -> c -> a', 'd -> e -> d']);
    expect(diagnostics[0]?.labels.map(({ place, note }) => [place.line, place.column, note])).toEqual([
      [2, 32, 'a depends on b here'],
      [3, 32, 'b depends on c here'],
      [4, 32, 'c depends on a here'],
    ]);
  });

  test('a fixed port takes one number for each replica', () => {
    const manifest = (port: number) => `services:
  a: {command: x, ports: {p: 8000}, replicas: 3}
  b: {command: x, ports: {p: ${port}}}
`;
    const { diagnostics } = load(manifest(8002));
    expect(placesOf(diagnostics)).toEqual(['port-conflict 3:30']);
    expect(diagnostics[0]?.labels[1]?.note).toBe('port `p` of `a` takes 8000 to 8002, one for each instance');
    expect(load(manifest(8003)).diagnostics).toEqual([]);
    expect(placesOf(load('services: {a: {command: x, ports: {p: 65535}, replicas: 2}}').diagnostics)).toEqual(
      ['bad-port 1:39'],
    );
    expect(load('services: {a: {command: x, ports: {p: 65535}, replicas: 0}}').diagnostics).toEqual([]);
  });

  test('waiting for the completion of what never completes is a warning', () => {
    const { diagnostics, project } = load(`services:
  a: {command: x, restart: always}
  b: {command: x, depends_on: {a: completed}}
`);
    expect(placesOf(diagnostics)).toEqual(['never-completes 3:32']);
    expect(diagnostics[0]?.severity).toBe('warning');
    expect(project).toBeDefined();
  });

  test('a dependency on a service whose profiles are inactive is an error, unless they are activated', () => {
    const text = `services:
  a: {command: x, depends_on: [b], env: {H: '\${services.b.host}'}}
  b: {command: x, profiles: [debug]}
`;
    expect(placesOf(load(text).diagnostics)).toEqual(['inactive-service 2:32', 'inactive-service 2:45']);
    for (const more of [{ profiles: ['debug'] }, { profiles: ['*'] }, { named: ['b'] }]) {
      expect(load(text, more).diagnostics).toEqual([]);
    }
    const [warning] = load(text, { profiles: ['debug', 'debugg'] }).diagnostics;
    expect(warning).toMatchObject({
      severity: 'warning',
      code: 'unknown-profile',
      help: 'did you mean `debug`?',
    });
  });

  test('an anchor that is used by many services is wrong once', () => {
    const { diagnostics } = load(`x-base: &base {restrt: never, timeout: 5}
services:
  a: {<<: *base, command: x}
  b: {<<: *base, command: x}
`);
    expect(placesOf(diagnostics)).toEqual(['unknown-key 1:16', 'bad-duration 1:40']);
  });
});

describe('secrets', () => {
  test('are in no diagnostic', () => {
    const { diagnostics } = load(
      `services:
  web:
    command: x
    restart: \${DB_PASSWORD}
    env:
      API_TOKEN: hunter2secret\${x!}
      PRIVATE_KEY: |
        hunter2secret \${x!}
      LONG_PASSWORD: "hunter2secret
        more: hunter2secret \${y!}"
    labels: {password: hunter2secret}
    replicas: hunter
    foo: https://bob:hunter2secret@host/
  b:
    command: x
    env: ["=hunter2secret", PASSWORD=hunter2secret, TOKEN: hunter2secret]
  c:
    command: x
    env: {PASSWORD=hunter2secret: ""}
`,
      { hostEnv: { DB_PASSWORD: 'hunter2secret' } },
    );
    expect(diagnostics.length).toBeGreaterThan(6);
    expect(JSON.stringify(diagnostics)).not.toContain('hunter2secret');
  });

  test('are in no syntax error', () => {
    for (const text of [
      'a:\n  PASSWORD: "hunter2secret',
      'a:\n  PASSWORD: "x\n    hunter2secret',
      'a:\n  PASSWORD: @hunter2secret',
      'a:\n  PASSWORD: "\\q" hunter2secret',
      'a:\n  PASSWORD: |\n   hunter2secret\n x: [',
    ]) {
      const { diagnostics } = load(text);
      expect(diagnostics.length).toBeGreaterThan(0);
      expect(JSON.stringify(diagnostics)).not.toContain('hunter2secret');
    }
  });

  test('keep the columns of a masked line', () => {
    const { diagnostics } = load('services: {web: {command: x, env: {API_TOKEN: hunter2secret}, oops: 1}}');
    const place = diagnostics[0]?.labels[0]?.place;
    expect(place?.source?.slice(place.column - 1, (place.endColumn ?? 0) - 1)).toBe('oops');
  });
});
