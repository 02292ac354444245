import { expect, test } from 'vitest';
import { eventText, briefEventText } from '../../src/words/events.ts';
import type { ProjectEventBody } from '../../src/core/event.ts';
import { happening } from '../cli/fake.ts';

test.each<[ProjectEventBody, string]>([
  [{ type: 'instance-ready', run: 'r', tookMs: 300 }, 'ready, after 0.3 s'],
  [
    { type: 'instance-unready', run: 'r', reason: { kind: 'text', text: 'http failed\nHTTP 503' } },
    'not ready, http failed HTTP 503',
  ],
  [
    { type: 'instance-unhealthy', run: 'r', reason: { kind: 'text', text: 'tcp failed' } },
    'unhealthy, tcp failed',
  ],
  [
    { type: 'schedule-missed', reason: { kind: 'text', text: 'the last run is still under way' } },
    'not run, the last run is still under way',
  ],
  [
    {
      type: 'instance-signalled',
      run: 'r',
      signal: 'SIGHUP',
      cause: { kind: 'files', paths: ['/srv/a.conf', '/srv/b.conf'], more: 2 },
    },
    'signalled, SIGHUP because /srv/a.conf, /srv/b.conf and 2 more changed',
  ],
  [
    {
      type: 'instance-started',
      run: 'r',
      pid: 7,
      cause: { kind: 'text', of: 'schedule', text: 'due by every 5m' },
    },
    'started, pid 7, due by every 5m',
  ],
  [
    {
      type: 'instance-skipped',
      reason: { kind: 'text', text: 'db failed (killed for lack of memory (its cgroup))' },
    },
    'skipped, db failed (killed for lack of memory, its cgroup)',
  ],
  [
    { type: 'instance-completed', exit: { kind: 'unhealthy', reason: { kind: 'text', text: 'tcp failed' } } },
    'completed, stopped as unhealthy (tcp failed)',
  ],
])('%j', (body, text) => {
  expect(briefEventText(happening(body, { instance: 'web.1' }))).toBe(text);
  expect(eventText(happening(body)).why).not.toContain('\n');
});
