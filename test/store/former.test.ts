import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Journal, readJournal } from '../../src/store/journal.ts';
import { parseRunRecord } from '../../src/store/records.ts';
import { describeCause } from '../../src/words/cause.ts';
import { changeLines } from '../../src/words/counts.ts';
import { briefEventText } from '../../src/words/events.ts';
import { describeExit } from '../../src/words/exit.ts';

const FORMER = join(import.meta.dirname, 'former');

test('what an earlier version wrote in its journal is told by the sentences that it holds', () => {
  const events = readJournal(FORMER, 100);
  expect(events.map(briefEventText)).toEqual([
    'daemon started, pid 4711, version 0.1.0',
    'manifest applied, 2 to start, 1 to forget',
    'waiting, for db (starting, wanted: ready)',
    'started, pid 4712, started by hand',
    'started, pid 4713, retry 1 after exit 3',
    'stopping, SIGTERM because db failed: exit 1',
    'exited, stopped as unhealthy (tcp failed) after 0.2 s, out of memory',
    'not ready, http failed 3 times in a row: HTTP 503',
    'backing off, attempt 2 in 1.9 s, exit 3, on-failure: retry 2 in 1.9 s',
    'killed, SIGKILL, the grace period is over',
    'failed, exit 3, exit 3, restart is never',
    'skipped, db failed (exit 1)',
    'not run, 3 times of schedule every 5m passed unseen',
    'manifest reloaded, 1 to replace, api: env.PORT "1" -> "2": replace',
    'change failed, rolled back, api.1 was not ready within 1m',
    'hook pre_start, failed, exit 1: no such table',
    'started, was not yet started when the daemon ended',
    'started, schedule every 5m',
    'stopping, SIGTERM, Ctrl-C',
  ]);
  const reloaded = events.find((event) => event.type === 'manifest-reloaded');
  expect(reloaded?.type === 'manifest-reloaded' && changeLines(reloaded)).toEqual([
    'api: env.PORT "1" -> "2": replace',
  ]);
});

test('the journal goes on behind it, and knows which service each line is of', () => {
  const dir = mkdtempSync(join(tmpdir(), 'setpoint-former-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  copyFileSync(join(FORMER, 'events.ndjson'), join(dir, 'events.ndjson'));
  const journal = new Journal(dir, { wall: () => 1 });
  const changes = [{ service: 'api', action: 'replace', instances: 1, causes: [{ kind: 'added' }] }] as const;
  const counts = { start: 0, replace: 1, update: 0, stop: 0 };
  expect(journal.append({ type: 'manifest-reloaded', counts, changes }, {}).seq).toBe(20);
  journal.close();
  expect(readJournal(dir, 100, 'api')).toHaveLength(10);
  expect(readJournal(dir, 100)).toHaveLength(20);
});

test('the record of a run of an earlier version is read with the sentences that it holds', () => {
  const parsed = parseRunRecord(readFileSync(join(FORMER, 'run.json'), 'utf8'));
  if (!parsed.ok) throw new Error(parsed.why);
  const { stopping, ended, lastExit } = parsed.record;
  expect(stopping && describeCause(stopping.cause)).toBe('stopped by hand');
  expect(ended && describeExit(ended.exit)).toBe('stopped as unhealthy (tcp failed 3 times in a row)');
  expect(lastExit && describeExit(lastExit)).toBe('stopped as unhealthy (tcp failed)');
});
