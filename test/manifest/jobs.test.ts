import { describe, expect, test } from 'vitest';
import type { ServiceSpec } from '../../src/core/service.ts';
import { load, placesOf } from './memory-io.ts';

const service = (body: string) => `services:\n  web:\n    command: x\n    ${body}\n`;

function webOf(body: string, rest: Parameters<typeof load>[1] = {}): ServiceSpec | undefined {
  const { diagnostics, project } = load(service(body), rest);
  expect(diagnostics).toEqual([]);
  return project?.services[0];
}

function problemOf(body: string) {
  const { diagnostics } = load(service(body));
  expect(placesOf(diagnostics)).toHaveLength(1);
  const [{ severity, code, message, labels, help } = { labels: [] }] = diagnostics;
  return { severity, code, message, note: labels[0]?.note, place: labels[0]?.place, help };
}

describe('a schedule', () => {
  const every = (more: object = {}) => ({ overlap: 'skip', onStart: false, missed: 'skip', ...more });

  test.each<[string, object]>([
    ['"0 3 * * *"', { when: { kind: 'cron', expression: '0 3 * * *' } }],
    ['"*/10 * * * * *"', { when: { kind: 'cron', expression: '*/10 * * * * *' } }],
    ['"@daily"', { when: { kind: 'cron', expression: '@daily' } }],
    ['{cron: 0 3 * * mon-fri}', { when: { kind: 'cron', expression: '0 3 * * mon-fri' } }],
    [
      '{cron: 0 3 * * *, timezone: Europe/Berlin, overlap: replace, missed: run}',
      {
        when: { kind: 'cron', expression: '0 3 * * *', timezone: 'Europe/Berlin' },
        overlap: 'replace',
        missed: 'run',
      },
    ],
    [
      '{every: 15m, overlap: queue, on_start: true}',
      { when: { kind: 'every', everyMs: 900_000 }, overlap: 'queue', onStart: true },
    ],
  ])('%s', (written, expected) => {
    expect(webOf(`schedule: ${written}`)?.schedule).toEqual(every(expected));
  });

  test.each<[string, string, RegExp, RegExp | undefined]>([
    ['schedule: 0 3 * *', 'bad-cron', /cron expression is not valid: ./, /such as `0 3 \* \* \*`/],
    ['schedule: 61 3 * * *', 'bad-cron', /cron expression is not valid: ./, undefined],
    ['schedule: {cron: "@sometimes"}', 'bad-cron', /not valid/, undefined],
    ['schedule: "@every 5m"', 'bad-cron', /not valid/, /write `{every: 5m}`/],
    [
      'schedule: {cron: 0 3 * * *, timezone: Europe/Berln}',
      'bad-timezone',
      /time zone `Europe\/Berln`/,
      undefined,
    ],
    [
      'schedule: {cron: 0 3 * * *, every: 5m}',
      'conflicting-keys',
      /has two rules/,
      /one of `cron` and `every`/,
    ],
    [
      'schedule: {every: 5m, timezone: UTC}',
      'conflicting-keys',
      /means nothing to `every`/,
      /goes with `cron`/,
    ],
    ['schedule: {}', 'missing-key', /`schedule` of service `web` does not say when/, /one of/],
    ['schedule: {overlap: skip}', 'missing-key', /does not say when/, undefined],
    ['schedule: {evry: 5m}', 'unknown-key', /`evry`/, /`every`\?/],
    ['schedule: {interval: 5m}', 'unknown-key', /`interval`/, /`every`\?/],
    ['schedule: {every: 5m, run_on_start: true}', 'unknown-key', /`run_on_start`/, /`on_start`\?/],
    ['schedule: {every: 5}', 'bad-duration', /5 has no unit/, undefined],
    ['schedule: {every: 50ms}', 'bad-duration', /50ms is too short/, /at least 100ms/],
    ['schedule: {every: 5m, overlap: both}', 'bad-value', /`both`/, /`skip`, `queue` or `replace`/],
    ['schedule: {every: 5m, missed: never}', 'bad-value', /`never`/, /`skip` or `run`/],
    ['schedule: 5', 'wrong-type', /is a number/, /expected a cron expression/],
    ['cron: 0 3 * * *', 'unknown-key', /`cron`/, /`schedule`\?/],
  ])('is told what is wrong with it: %s', (body, code, message, note) => {
    const problem = problemOf(body);
    expect([problem.severity, problem.code]).toEqual(['error', code]);
    expect(problem.message).toMatch(message);
    if (note !== undefined) expect(problem.note).toMatch(note);
  });

  test('is located by the part of it that is wrong', () => {
    expect(problemOf('schedule: {cron: 0 3 * * *, timezone: Nowhere}').place).toMatchObject({ column: 43 });
    expect(problemOf('schedule: {cron: x, timezone: UTC}').place).toMatchObject({ column: 22 });
  });

  test('that YAML takes for an alias is told to need quotes', () => {
    for (const written of ['*/5 * * * *', '* * * * *', '{cron: */5 * * * *}']) {
      const [problem] = load(service(`schedule: ${written}`)).diagnostics;
      expect(problem).toMatchObject({ code: 'syntax', help: expect.stringContaining('in quotes') as string });
    }
  });

  test('does not go with a restart after every end', () => {
    for (const restart of ['always', '{policy: unless-stopped}']) {
      const { diagnostics } = load(service(`schedule: "@daily"\n    restart: ${restart}`));
      expect(diagnostics).toHaveLength(1);
      expect(diagnostics[0]).toMatchObject({ severity: 'error', code: 'schedule-restart' });
      expect(diagnostics[0]?.labels.map(({ place }) => place.line)).toEqual([5, 4]);
    }
    const inherited = load(
      'defaults: {restart: always}\nservices:\n  a: {command: x}\n  b: {command: x, schedule: "@daily"}\n',
    );
    expect(placesOf(inherited.diagnostics)).toEqual(['schedule-restart 1:21']);
    expect(inherited.diagnostics[0]?.help).toContain('`b`');
    expect(webOf('schedule: "@daily"\n    restart: on-failure')?.schedule).toBeDefined();
  });

  test('may have its time zone from the defaults, which makes nothing else a job', () => {
    const { diagnostics, project } = load(`defaults: {schedule: {timezone: UTC, overlap: queue}}
services:
  a: {command: x, schedule: 0 3 * * *}
  b: {command: x, schedule: {every: 5m}}
  c: {command: x}
`);
    expect(diagnostics).toEqual([]);
    const [a, b, c] = project?.services ?? [];
    expect(a?.schedule).toEqual(
      every({ when: { kind: 'cron', expression: '0 3 * * *', timezone: 'UTC' }, overlap: 'queue' }),
    );
    expect(b?.schedule).toEqual(every({ when: { kind: 'every', everyMs: 300_000 }, overlap: 'queue' }));
    expect(c).not.toHaveProperty('schedule');
  });
});

describe('watched files', () => {
  const files = { '/p/src': null, '/p/a.js': '', '/home/ada/lib': null };
  const whole = (more: object) => ({ ignore: [], debounceMs: 300, action: { kind: 'restart' }, ...more });

  test.each<[string, object]>([
    ['./src', { paths: ['/p/src'] }],
    ['[./src, a.js, ./a.js, ~/lib]', { paths: ['/p/src', '/p/a.js', '/home/ada/lib'] }],
    ['{paths: src}', { paths: ['/p/src'] }],
    [
      '{paths: [src], ignore: ["**/*.log"], debounce: 1s, action: restart}',
      { paths: ['/p/src'], ignore: ['**/*.log'], debounceMs: 1_000 },
    ],
    [
      '{paths: src, action: {signal: SIGUSR1}}',
      { paths: ['/p/src'], action: { kind: 'signal', signal: 'SIGUSR1' } },
    ],
  ])('%s', (written, expected) => {
    expect(webOf(`watch: ${written}`, { files })?.watch).toEqual(whole(expected));
  });

  test.each<[string, string, RegExp, RegExp | undefined]>([
    ['watch: []', 'wrong-type', /is an empty list/, /expected a path/],
    ['watch: 5', 'wrong-type', /`watch` in service `web` is a number/, /expected a path/],
    ['watch: {}', 'missing-key', /`watch` of service `web` names no `paths`/, undefined],
    ['watch: {path: .}', 'unknown-key', /`path`/, /`paths`\?/],
    ['watch: {paths: ., exclude: [x]}', 'unknown-key', /`exclude`/, /`ignore`\?/],
    ['watch: {paths: ., signal: SIGHUP}', 'unknown-key', /`signal`/, /`action: {signal: ...}`\?/],
    ['watch: {paths: ., action: SIGHUP}', 'bad-value', /`SIGHUP`/, /`{signal: SIGHUP}`\?/],
    ['watch: {paths: ., action: {signal: SIGHUPP}}', 'bad-signal', /`SIGHUPP`/, /`SIGHUP`\?/],
    ['watch: {paths: ., action: {}}', 'missing-key', /`signal` is missing/, undefined],
    ['watch: {paths: ., debounce: 3}', 'bad-duration', /no unit/, undefined],
    ['watch: "${services.web.host}"', 'late-reference', /known before/, undefined],
  ])('are told what is wrong with them: %s', (body, code, message, note) => {
    const problem = problemOf(body);
    expect([problem.severity, problem.code]).toEqual(['error', code]);
    expect(problem.message).toMatch(message);
    if (note !== undefined) expect(problem.note).toMatch(note);
  });

  test('that do not exist are a warning at their place', () => {
    expect(problemOf('watch: [., ./none]')).toMatchObject({
      severity: 'warning',
      code: 'missing-watch-path',
      message: '/p/none does not exist',
      place: { line: 4, column: 16 },
      help: undefined,
    });
    expect(problemOf('watch: src/**/*.js').help).toMatch(/no pattern/);
  });

  test('are relative to the file that names them', () => {
    const { diagnostics, project } = load('include: sub/setpoint.yaml\nservices: {}', {
      files: { '/p/sub/setpoint.yaml': 'services: {a: {command: x, watch: src}}', '/p/sub/src': null },
    });
    expect(diagnostics).toEqual([]);
    expect(project?.services[0]?.watch?.paths).toEqual(['/p/sub/src']);
  });
});

describe('input and output', () => {
  test.each<[string, object]>([
    ['tty: true', { tty: true, mergeStderr: true }],
    ['tty: true\n    stdin: pipe', { tty: true, mergeStderr: true, stdin: 'pipe' }],
    ['tty: false', {}],
    ['stdin: pipe', { stdin: 'pipe' }],
    ['stdin: null', {}],
    ['stdin: "null"', {}],
    ['log: {stderr: merge}', { mergeStderr: true }],
    ['log: {stderr: separate}', {}],
  ])('%s', (body, expected) => {
    const launch = webOf(body)?.launch;
    const { tty, mergeStderr, stdin } = launch ?? {};
    expect(JSON.parse(JSON.stringify({ tty, mergeStderr, stdin }))).toEqual(expected);
  });

  test.each<[string, object]>([
    ['{}', { maxSize: 64 * 1024 ** 2, keep: 3 }],
    ['{max_size: 0, keep: 0}', { maxSize: 0, keep: 0 }],
    ['{max_size: 10kb}', { maxSize: 10_240, keep: 3 }],
  ])('log: %s', (body, expected) => {
    expect(webOf(`log: ${body}`)?.log).toEqual(expected);
  });

  test.each<[string, 'error' | 'warning', string, RegExp]>([
    ['tty: yes', 'error', 'wrong-type', /`true` or `false`/],
    ['stdin: inherit', 'error', 'bad-value', /expected `null` or `pipe`/],
    ['stdin_open: true', 'error', 'unknown-key', /`stdin: pipe`\?/],
    ['log: {max-size: 1m}', 'error', 'unknown-key', /`max_size`\?/],
    ['log: {max_size: 1x}', 'error', 'bad-size', /^expected a size/],
    ['log: {keep: -1}', 'error', 'bad-value', /whole number/],
    ['log: {stderr: both}', 'error', 'bad-value', /`separate` or `merge`/],
    ['log: {stderr: separate}\n    tty: true', 'warning', 'unused-key', /one terminal/],
  ])('is told what is wrong with it: %s', (body, severity, code, note) => {
    const problem = problemOf(body);
    expect([problem.severity, problem.code]).toEqual([severity, code]);
    expect(problem.note).toMatch(note);
  });
});

describe('dependencies', () => {
  const DB = 'db: {command: x}';
  const dependsOn = (written: string, db = DB) => {
    const { diagnostics, project } = load(
      `services:\n  ${db}\n  web: {command: x, depends_on: ${written}}\n`,
    );
    return { diagnostics, dependsOn: project?.services.find(({ id }) => id === 'web')?.dependsOn };
  };
  const plain = { service: 'db', condition: 'started', required: true, onFailure: 'ignore' };

  test.each<[string, string, object]>([
    ['[db]', DB, plain],
    ['{db: {}}', DB, plain],
    ['{db: completed-successfully}', DB, { ...plain, condition: 'completed-successfully' }],
    ['{db: ready}', 'db: {command: x, ready: {tcp: 1}}', { ...plain, condition: 'ready' }],
    [
      '{db: {condition: ready, timeout: 30s, on_failure: restart, required: false}}',
      'db: {command: x, ready: {tcp: 1}}',
      { ...plain, condition: 'ready', timeoutMs: 30_000, onFailure: 'restart', required: false },
    ],
    ["{db: {condition: log, pattern: 'up$'}}", DB, { ...plain, condition: 'log', pattern: 'up$' }],
    ['{db: log}', "db: {command: x, ready: {log: 'up$'}}", { ...plain, condition: 'log', pattern: 'up$' }],
    [
      '{db: log}',
      'db: {command: x, ready: {log: {pattern: up}}}',
      { ...plain, condition: 'log', pattern: 'up' },
    ],
    [
      '{db: {condition: log, pattern: mine}}',
      'db: {command: x, ready: {log: up}}',
      { ...plain, condition: 'log', pattern: 'mine' },
    ],
  ])('%s on %s', (written, db, expected) => {
    expect(dependsOn(written, db)).toEqual({ diagnostics: [], dependsOn: [expected] });
  });

  test('on the readiness of what has no probe waits for its start, with a warning at both places', () => {
    const { diagnostics, dependsOn: found } = dependsOn('{db: ready}');
    expect(found).toEqual([plain]);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ severity: 'warning', code: 'no-ready-probe' });
    expect(diagnostics[0]?.labels.map(({ place }) => [place.line, place.column])).toEqual([
      [3, 34],
      [2, 3],
    ]);
  });

  test.each<[string, 'error' | 'warning', string, RegExp]>([
    ['{db: log}', 'error', 'missing-key', /{condition: log, pattern: ...}/],
    ['{db: {condition: started, pattern: x}}', 'warning', 'unused-key', /`condition: log`/],
    ['{db: {condition: log, pattern: "("}}', 'error', 'bad-regex', /regular expression/],
    ['{db: {timeout: 5}}', 'error', 'bad-duration', /duration/],
    ['{db: {timeout: 0s}}', 'error', 'bad-duration', /at least 1ms/],
    ['{db: {on_failure: die}}', 'error', 'bad-value', /`ignore`, `restart` or `stop`/],
    ['{db: {restart: true}}', 'error', 'unknown-key', /`on_failure: restart`\?/],
    ['{db: {required: no}}', 'error', 'wrong-type', /`true` or `false`/],
    ['{db: redy}', 'error', 'unknown-condition', /`ready`\?/],
    ['{db: healthy}', 'error', 'unknown-condition', /`ready`\?/],
    ['{db: service_started}', 'error', 'unknown-condition', /`started`\?/],
    ['{db: {condition: service_healthy}}', 'error', 'unknown-condition', /`ready`\?/],
    ['{db: service_completed_successfully}', 'error', 'unknown-condition', /`completed-successfully`\?/],
    ['{db: {condition: process_healthy}}', 'error', 'unknown-condition', /`ready`\?/],
    ['{db: {condition: process_started}}', 'error', 'unknown-condition', /`started`\?/],
    ['{db: {condition: process_completed}}', 'error', 'unknown-condition', /`completed`\?/],
    ['{db: {condition: process_completed_successfully}}', 'error', 'unknown-condition', /`completed-success/],
    ['{db: {condition: process_log_ready}}', 'error', 'unknown-condition', /`log`\?/],
  ])('are told what is wrong with them: %s', (written, severity, code, note) => {
    const { diagnostics } = dependsOn(written);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ severity, code });
    expect(diagnostics[0]?.labels[0]?.note).toMatch(note);
  });

  test('that are not required may be undefined or take no part, and are then no dependency', () => {
    const optional = (id: string) => `{${id}: {required: false}}`;
    expect(dependsOn(optional('nobody'))).toEqual({ diagnostics: [], dependsOn: [] });
    const inactive = 'db: {command: x, profiles: [p]}';
    expect(dependsOn(optional('db'), inactive)).toEqual({ diagnostics: [], dependsOn: [] });
    expect(placesOf(dependsOn('[db]', inactive).diagnostics)).toEqual(['inactive-service 3:34']);
    expect(placesOf(dependsOn('[nobody]').diagnostics)).toEqual(['unknown-service 3:34']);
  });

  test('close no circle with what takes no part, and close one as soon as it does', () => {
    const text = `services:
  a: {command: x, depends_on: {b: {required: false}}}
  b: {command: x, depends_on: [a], profiles: [p]}
`;
    expect(load(text).diagnostics).toEqual([]);
    expect(placesOf(load(text, { profiles: ['p'] }).diagnostics)).toEqual(['dependency-cycle 2:32']);
  });
});
