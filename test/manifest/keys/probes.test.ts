import { describe, expect, test } from 'vitest';
import type { ServiceSpec } from '../../../src/core/service.ts';
import { load, placesOf } from '../memory-io.ts';

const service = (body: string) => `services:\n  web:\n    command: x\n    ${body}\n`;

/** The one service of a manifest without any problem. */
function webOf(body: string, rest: Parameters<typeof load>[1] = {}): ServiceSpec | undefined {
  const { diagnostics, project } = load(service(body), rest);
  expect(diagnostics).toEqual([]);
  return project?.services[0];
}

/** The one problem of a service `web`, its keys from line 4, column 5. */
function problemOf(body: string) {
  const { diagnostics } = load(service(body));
  expect(placesOf(diagnostics)).toHaveLength(1);
  const [{ severity, code, message, labels, help } = { labels: [] }] = diagnostics;
  return { severity, code, message, note: labels[0]?.note, column: labels[0]?.place.column, help };
}

const own = (port: string) => ({ ref: 'port', service: 'web', port });

describe('what a probe looks at', () => {
  const http = { kind: 'http', method: 'GET', headers: {}, status: [{ from: 200, to: 399 }] };
  const tcp = { kind: 'tcp', host: '127.0.0.1' };

  test.each<[string, unknown]>([
    [
      '{exec: "a && b"}',
      { kind: 'exec', command: { kind: 'shell', shell: ['/bin/sh', '-c'], script: 'a && b' } },
    ],
    ['{exec: [a, 1]}', { kind: 'exec', command: { kind: 'exec', argv: ['a', '1'] } }],
    ['{http: "http://127.0.0.1:80/h"}', { ...http, url: 'http://127.0.0.1:80/h' }],
    ['{http: {url: "https://localhost/"}}', { ...http, url: 'https://localhost/' }],
    ['{http: {port: 9}}', { ...http, url: 'http://127.0.0.1:9/' }],
    ['{http: {port: "9", path: /h?a=b}}', { ...http, url: 'http://127.0.0.1:9/h?a=b' }],
    ['{http: {port: 443, scheme: https, host: "::1"}}', { ...http, url: 'https://[::1]:443/' }],
    ['{http: {port: main}}', { ...http, url: ['http://127.0.0.1:', own('main'), '/'] }],
    ['{http: {port: 8080}}', { ...http, url: ['http://127.0.0.1:', own('main'), '/'] }],
    ['{http: {port: 8080, host: localhost}}', { ...http, url: ['http://localhost:', own('main'), '/'] }],
    ['{http: {port: 8080, host: db}}', { ...http, url: 'http://db:8080/' }],
    [
      '{http: {port: debug, path: "/${instance.number}"}}',
      { ...http, url: ['http://127.0.0.1:', own('debug'), '/', { ref: 'instance-number' }] },
    ],
    [
      '{http: "http://${services.web.host}:${services.web.ports.debug}/"}',
      { ...http, url: ['http://', { ref: 'host', service: 'web' }, ':', own('debug'), '/'] },
    ],
    [
      '{http: {port: 9, method: HEAD, headers: {Host: a, X-N: 1}}}',
      { ...http, url: 'http://127.0.0.1:9/', method: 'HEAD', headers: { Host: 'a', 'X-N': '1' } },
    ],
    [
      '{http: {port: 9, status: 204}}',
      { ...http, url: 'http://127.0.0.1:9/', status: [{ from: 204, to: 204 }] },
    ],
    [
      '{http: {port: 9, status: 2xx}}',
      { ...http, url: 'http://127.0.0.1:9/', status: [{ from: 200, to: 299 }] },
    ],
    [
      '{http: {port: 9, status: 200-204}}',
      { ...http, url: 'http://127.0.0.1:9/', status: [{ from: 200, to: 204 }] },
    ],
    [
      '{http: {port: 9, status: [200, "301", 4XX]}}',
      {
        ...http,
        url: 'http://127.0.0.1:9/',
        status: [
          { from: 200, to: 200 },
          { from: 301, to: 301 },
          { from: 400, to: 499 },
        ],
      },
    ],
    ['{tcp: 9}', { ...tcp, port: '9' }],
    ['{tcp: "9"}', { ...tcp, port: '9' }],
    ['{tcp: main}', { ...tcp, port: [own('main')] }],
    ['{tcp: 8080}', { ...tcp, port: [own('main')] }],
    ['{tcp: "127.0.0.1:8080"}', { ...tcp, port: [own('main')] }],
    ['{tcp: "localhost:debug"}', { ...tcp, host: 'localhost', port: [own('debug')] }],
    ['{tcp: "db:5432"}', { ...tcp, host: 'db', port: '5432' }],
    ['{tcp: "[::1]:5432"}', { ...tcp, host: '::1', port: '5432' }],
    ['{tcp: "${services.web.ports.debug}"}', { ...tcp, port: [own('debug')] }],
    [
      '{tcp: "${services.web.host}:${services.web.ports.debug}"}',
      { ...tcp, host: [{ ref: 'host', service: 'web' }], port: [own('debug')] },
    ],
    ['{tcp: {host: db, port: 5432}}', { ...tcp, host: 'db', port: '5432' }],
    ['{tcp: {port: debug}}', { ...tcp, port: [own('debug')] }],
    [String.raw`{log: 'listening on (\d+)$'}`, { kind: 'log', pattern: String.raw`listening on (\d+)$` }],
    ['{log: {pattern: "${A}$", stream: stderr}}', { kind: 'log', pattern: '${A}$', stream: 'stderr' }],
    ['{notify: true}', { kind: 'notify' }],
  ])('ready: %s', (probe, check) => {
    const { pattern } = check as { pattern?: string };
    const web =
      pattern === '${A}$' ? undefined : webOf(`ports: {main: 8080, debug: auto}\n    ready: ${probe}`);
    if (web !== undefined) expect(web.ready?.check).toEqual(check);
    else expect(problemOf(`ready: ${probe}`).code).toBe('bad-regex');
  });

  test('is looked at by the defaults unless it says otherwise', () => {
    expect(webOf('ready: {tcp: 9}')?.ready).toEqual({
      check: { kind: 'tcp', host: '127.0.0.1', port: '9' },
      intervalMs: 2_000,
      timeoutMs: 1_000,
      retries: 3,
      startPeriodMs: 0,
      success: 1,
    });
    expect(webOf('live: {tcp: 9, timeout: 10s, interval: 10ms}')?.live).toMatchObject({
      timeoutMs: 10_000,
      intervalMs: 10,
    });
  });

  test('keeps the dollar signs that belong to a shell or to a pattern', () => {
    expect(
      webOf("ready: {exec: 'test $1 = $$ && echo ${HOME}'}", { hostEnv: { HOME: '/h' } })?.ready?.check,
    ).toMatchObject({
      command: { script: 'test $1 = $$ && echo /h' },
    });
    expect(webOf("ready: {log: {pattern: 'a$'}}\n    live: {exec: [sh, -c, 'echo $PATH']}")).toMatchObject({
      ready: { check: { pattern: 'a$' } },
      live: { check: { command: { argv: ['sh', '-c', 'echo $PATH'] } } },
    });
  });

  test('takes numbers and words from variables', () => {
    const set = { PORT: '9', STATUS: '204', RETRIES: '5', EVERY: '5s' };
    const body =
      'ready: {http: {port: "${PORT}", status: "${STATUS}"}, retries: "${RETRIES}", interval: "${EVERY}"}';
    expect(webOf(body, { set })?.ready).toMatchObject({
      check: { url: 'http://127.0.0.1:9/', status: [{ from: 204, to: 204 }] },
      retries: 5,
      intervalMs: 5_000,
    });
  });

  test('asks the service for messages where it is one of those', () => {
    expect(webOf('ready: {tcp: 9}')?.launch.notify).toBeUndefined();
    expect(webOf('ready: {notify: true}')?.launch.notify).toEqual({});
    expect(webOf('live: {notify: true, interval: 5s}')?.launch.notify).toEqual({ watchdogMs: 5_000 });
    expect(webOf('ready: {notify: true}\n    live: {notify: true}')?.launch.notify).toEqual({
      watchdogMs: 2_000,
    });
  });

  test('masks headers whose names say that they are secret', () => {
    const { secrets, resolved } = load(
      service('ready: {http: {port: 9, headers: {X-Api-Key: hunter2secret, Accept: text/plain}}}'),
    );
    expect(secrets).toEqual(['hunter2secret']);
    expect(JSON.stringify(resolved?.manifest)).not.toContain('hunter2secret');
  });
});

describe('one mistake in a probe yields one diagnostic that says what was expected', () => {
  test.each<[string, string, RegExp, RegExp | undefined]>([
    ['ready: {}', 'missing-key', /`ready` of service `web` does not say what to look at/, /`log`, `notify`/],
    ['live: {interval: 1s}', 'missing-key', /`live` of service `web`/, /`exec`, `http`, `tcp`, `notify`/],
    ['ready:', 'wrong-type', /`ready` in service `web` is empty/, /one of `exec`/],
    ['ready: tcp', 'bad-value', /`tcp` is not valid for `ready`/, /one of `exec`/],
    ['ready: {exec: a, tcp: 1}', 'conflicting-keys', /looks at two things, `exec` and `tcp`/, /does one of/],
    ['live: {log: x}', 'bad-probe', /`live.log` of service `web`/, /`ready` only/],
    ['ready: {notify: false}', 'bad-value', /`false` is not valid for `ready.notify`/, /expected `true`/],
    ['ready: {exec: {command: x}}', 'wrong-type', /`ready.exec` in service `web` is a map/, /right here/],
    ['ready: {exec: [CMD, x]}', 'bad-value', /`CMD` in `ready.exec` in service `web`/, /leave it out/],
    ['ready: {exec: [CMD-SHELL, x]}', 'bad-value', /`CMD-SHELL`/, /as one string/],
    ['ready: {exec: ""}', 'wrong-type', /is an empty text/, /expected a command/],
    ['ready: {test: x}', 'unknown-key', /unknown key `test` in `ready` of service `web`/, /`exec`\?/],
    ['ready: {tcp: 1, start_interval: 1s}', 'unknown-key', /`start_interval`/, /`interval`\?/],
    ['ready: {tcp: 1, intervall: 1s}', 'unknown-key', /`intervall`/, /`interval`\?/],
    ['ready: {http_get: {port: 1}}', 'unknown-key', /`http_get`/, /calls this `http: {host, path/],
    ['ready: {tcp: 1, initial_delay_seconds: 5}', 'unknown-key', /`initial_delay_seconds`/, /`start_period`/],
    ['ready: {tcp: 1, period_seconds: 5}', 'unknown-key', /`period_seconds`/, /calls this `interval`/],
    ['ready: {tcp: 1, timeout_seconds: 5}', 'unknown-key', /`timeout_seconds`/, /calls this `timeout`/],
    ['ready: {tcp: 1, failure_threshold: 5}', 'unknown-key', /`failure_threshold`/, /calls this `retries`/],
    ['readiness_probe: {}', 'unknown-key', /`readiness_probe`/, /calls this `ready`/],
    ['liveness_probe: {}', 'unknown-key', /`liveness_probe`/, /calls this `live`/],
    ['healthcheck: {}', 'unknown-key', /`healthcheck`/, /`ready` .* `live`/],
    ['ready: {tcp: 1, interval: 5}', 'bad-duration', /5 has no unit/, /^expected a duration/],
    ['ready: {tcp: 1, interval: 9ms}', 'bad-duration', /9ms is too short/, /at least 10ms/],
    ['ready: {tcp: 1, timeout: 0s}', 'bad-duration', /0s is too short/, /at least 1ms/],
    ['ready: {tcp: 1, retries: 0}', 'bad-value', /`0` is not valid for `ready.retries`/, /at least 1/],
    ['ready: {tcp: 0}', 'bad-port', /`0` is not valid for `ready.tcp`/, /expected a port/],
    ['ready: {tcp: 70000}', 'bad-port', /`70000` is not valid for `ready.tcp`/, /expected a port/],
    [
      'ready: {http: {port: 1, path: "${instance.number}"}}',
      'bad-value',
      /does not begin with `\/`/,
      undefined,
    ],
    ['ready: {tcp: "70000"}', 'bad-port', /names a port that cannot be/, /1 to 65535/],
    ['ready: {tcp: "db:0"}', 'bad-port', /names a port that cannot be/, /1 to 65535/],
    ['ready: {tcp: "db:"}', 'unknown-port', /names a port that service `web` does not have/, /no `ports`/],
    ['ready: {tcp: "::1"}', 'bad-address', /is not an address/, /brackets/],
    ['ready: {tcp: ":80"}', 'bad-address', /is not an address/, /`host:port`/],
    ['ready: {tcp: [80]}', 'wrong-type', /`ready.tcp` in service `web` is a list/, /expected a port/],
    ['ready: {tcp: {host: db}}', 'missing-key', /`ready.tcp` of service `web` names no `port`/, undefined],
    ['ready: {tcp: http}', 'unknown-port', /`ready.tcp` of service `web` names a port/, /it has no `ports`/],
    ['ready: {tcp: htp}\n    ports: {http: 1}', 'unknown-port', /does not have/, /did you mean `http`\?/],
    ['ready: {http: {port: x}}\n    ports: {http: 1}', 'unknown-port', /does not have/, /it has `http`/],
    ['ready: {tcp: true}', 'wrong-type', /`ready.tcp` in service `web` is `true`/, /expected a port/],
    ['ready: {tcp: 80.5}', 'bad-port', /`80.5` is not valid/, /expected a port/],
    ['ready: {http: 8080}', 'wrong-type', /`ready.http` in service `web` is a number/, /expected a URL/],
    ['ready: {http: /health}', 'bad-url', /is a path, not a URL/, /{port: ..., path: ...}/],
    ['ready: {http: "ftp://a/"}', 'bad-url', /not a URL of `http` or `https`/, /such as/],
    ['ready: {http: {url: ":"}}', 'bad-url', /is not a URL/, /such as/],
    ['ready: {http: {}}', 'missing-key', /`ready.http` of service `web` names no `port`/, /`url`/],
    ['ready: {http: {url: "http://a/", path: /b}}', 'conflicting-keys', /both `url` and `path`/, /already/],
    [
      'ready: {http: {port: 1, path: b}}',
      'bad-value',
      /`b` is not valid for `ready.http.path`/,
      /begins with/,
    ],
    ['ready: {http: {port: 1, scheme: ftp}}', 'bad-value', /`ftp`/, /expected `http` or `https`/],
    ['ready: {http: {port: 1, method: get}}', 'bad-value', /`get`/, /did you mean `GET`\?/],
    ['ready: {http: {port: 1, status: 99}}', 'bad-status', /no status/, /expected a status/],
    ['ready: {http: {port: 1, status: [300-200]}}', 'bad-status', /item 1 .* below its beginning/, undefined],
    ['ready: {http: {port: 1, status_code: 200}}', 'unknown-key', /`status_code`/, /`status`/],
    ['ready: {http: {port: 1, headers: {"a b": x}}}', 'bad-header', /the name of header 1/, undefined],
    ['ready: {http: {port: 1, headers: {A: "x\\ny"}}}', 'bad-header', /header 1 of `ready.http`/, undefined],
    ['ready: {http: {port: 1, headers: [A]}}', 'wrong-type', /is a list/, /map of headers/],
    ['ready: {log: "("}', 'bad-regex', /regular expression/, undefined],
    ['ready: {log: "(a+)+"}', 'bad-regex', /for ever/, undefined],
    ['ready: {log: {pattern: "(a+)+"}}', 'bad-regex', /for ever/, undefined],
    [
      'ready: {log: {stream: stdout}}',
      'missing-key',
      /`ready.log` of service `web` has no `pattern`/,
      undefined,
    ],
    ['ready: {log: {pattern: x, stream: err}}', 'bad-value', /`err`/, /`stdout` or `stderr`/],
    [
      'ready: {log: {pattern: x, stream: stderr}}\n    tty: true',
      'bad-probe',
      /no stderr of its own/,
      /goes to stdout/,
    ],
    ['ready: {http: {port: 1, host: "${services.wob.host}"}}', 'unknown-service', /`wob`/, /`web`\?/],
    ['ready: {tcp: 1, interval: "${services.web.host}"}', 'late-reference', /known before/, undefined],
  ])('%s', (body, code, message, note) => {
    const problem = problemOf(body);
    expect([problem.severity, problem.code]).toEqual(['error', code]);
    expect(problem.message).toMatch(message);
    if (note !== undefined) expect(problem.note).toMatch(note);
  });

  test.each<[string, string]>([
    ['ready: {log: x, interval: 1s}', 'ready.interval'],
    ['ready: {log: x, success: 1}', 'ready.success'],
    ['ready: {notify: true, start_period: 1s}', 'ready.start_period'],
    ['live: {notify: true, timeout: 1s}', 'live.timeout'],
  ])('what has no effect is a warning: %s', (body, key) => {
    expect(problemOf(body)).toMatchObject({
      severity: 'warning',
      code: 'unused-key',
      message: `\`${key}\` of service \`web\` has no effect`,
    });
  });

  test('variables of the protocol are set by nobody else while it is used', () => {
    const body = (probe: string) => `ready: ${probe}\n    env: {NOTIFY_SOCKET: /run/x, A: b}`;
    expect(problemOf(body('{notify: true}'))).toMatchObject({
      severity: 'warning',
      code: 'reserved-variable',
      column: 26,
      note: 'setpoint sets it itself, for `notify`',
    });
    expect(webOf(body('{tcp: 1}'))?.launch.env).toEqual({ NOTIFY_SOCKET: '/run/x', A: 'b' });
    expect(problemOf('env: [SETPOINT_RUN=1]')).toMatchObject({
      severity: 'warning',
      code: 'reserved-variable',
    });
  });
});

describe('probes among the defaults', () => {
  const two = (defaults: string, web: string, more = '') =>
    load(`defaults: ${defaults}\nservices:\n  web: {command: x, ports: {http: auto}${web}}\n${more}`);

  test('give their timings to those that have one, and nothing to the others', () => {
    const { project, diagnostics } = two(
      '{ready: {interval: 5s}}',
      ', ready: {tcp: http}',
      '  job: {command: x}',
    );
    expect(diagnostics).toEqual([]);
    const [web, job] = project?.services ?? [];
    expect(web?.ready).toMatchObject({ intervalMs: 5_000 });
    expect(job).not.toHaveProperty('ready');
  });

  test('are a probe for all, that a service replaces or takes back', () => {
    const { project, diagnostics } = two(
      '{ready: {tcp: http, retries: 9}}',
      '',
      '  db: {command: x, ready: {log: up}}\n  job: {command: x, ready: !reset null}',
    );
    expect(diagnostics).toEqual([]);
    const [web, db, job] = project?.services ?? [];
    expect(web?.ready).toMatchObject({ check: { kind: 'tcp', port: [own('http')] }, retries: 9 });
    expect(db?.ready).toMatchObject({ check: { kind: 'log', pattern: 'up' } });
    expect(job).not.toHaveProperty('ready');
  });

  test('that do not fit a service are told at their place, with its name', () => {
    const { diagnostics } = two('{ready: {tcp: http}}', '', '  job: {command: x}');
    expect(placesOf(diagnostics)).toEqual(['unknown-port 1:25']);
    expect(diagnostics[0]?.message).toContain('service `job`');
  });
});
