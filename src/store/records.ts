import type { LoadRequest } from '../core/service.ts';
import { isRecord } from '../core/util/record.ts';
import type { RunRecord } from '../ports/backend.ts';
import type { ProjectRecord } from '../ports/store.ts';
import { upgradedRunRecord } from './former.ts';

/** A record read back, or in a few words why it is none. */
export type RecordResult<T> =
  { readonly ok: true; readonly record: T } | { readonly ok: false; readonly why: string };

type Fields = Readonly<Record<string, unknown>>;

/** Reads `project.json`. Whatever is not a record of version 1 is refused; nothing is guessed. */
export function parseProjectRecord(text: string): RecordResult<ProjectRecord> {
  return parseRecord(text, (it): it is Fields & ProjectRecord => {
    return (
      isText(it['name']) &&
      isText(it['dir']) &&
      isLoadRequest(it['load']) &&
      (it['phase'] === 'up' || it['phase'] === 'down') &&
      optional(it['shutdown'], (shutdown) => isRecord(shutdown) && isText(shutdown['reason'])) &&
      isTexts(it['stopped']) &&
      isMapOf(it['scale'], isCount) &&
      isMapOf(it['ports'], isCount) &&
      optional(it['reload'], isReload) &&
      optional(it['backends'], isTexts) &&
      isText(it['salt'])
    );
  });
}

/** Reads `run.json`, of earlier versions too. Whatever is not a record of version 1 is refused; nothing is guessed. */
export function parseRunRecord(text: string): RecordResult<RunRecord> {
  return parseRecord(
    text,
    (it): it is Fields & RunRecord => {
      return (
        isText(it['run']) &&
        isText(it['service']) &&
        isText(it['instance']) &&
        isCount(it['number']) &&
        isNumber(it['startedAt']) &&
        isText(it['backend']) &&
        isText(it['fingerprint']) &&
        isMapOf(it['fields'], isText) &&
        optional(it['inputs'], isText) &&
        isMapOf(it['ports'], isCount) &&
        isStop(it['stop']) &&
        isCount(it['restarts']) &&
        optional(it['recentRestarts'], (them) => Array.isArray(them) && them.every(isNumber)) &&
        optional(it['lastExit'], isExit) &&
        optional(it['socket'], isText) &&
        optional(it['ended'], isEnded) &&
        optional(it['stopping'], isStopping)
      );
    },
    upgradedRunRecord,
  );
}

function parseRecord<T>(
  text: string,
  holds: (fields: Fields) => fields is Fields & T,
  upgrade: (fields: Fields) => Fields = (fields) => fields,
): RecordResult<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, why: text === '' ? 'it is empty' : 'it is not valid JSON' };
  }
  if (!isRecord(value)) return { ok: false, why: 'it does not hold an object' };
  if (value['version'] !== 1) {
    return { ok: false, why: `its version is ${JSON.stringify(value['version'])}, and only 1 is known` };
  }
  const upgraded = upgrade(value);
  if (!holds(upgraded)) return { ok: false, why: 'a field is missing or of the wrong type' };
  return { ok: true, record: upgraded };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isMapOf(value: unknown, each: (value: unknown) => boolean): boolean {
  return isRecord(value) && Object.values(value).every(each);
}

function optional(value: unknown, holds: (value: unknown) => boolean): boolean {
  return value === undefined || holds(value);
}

function isLoadRequest(value: unknown): value is LoadRequest {
  return (
    isRecord(value) &&
    isTexts(value['files']) &&
    value['files'].length > 0 &&
    optional(value['projectName'], isText) &&
    isTexts(value['profiles']) &&
    isMapOf(value['set'], isText) &&
    isTexts(value['envFiles']) &&
    isTexts(value['named'])
  );
}

function isReload(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['watch'] === 'boolean' &&
    typeof value['review'] === 'boolean' &&
    isText(value['digest'])
  );
}

function isStop(value: unknown): boolean {
  return (
    isRecord(value) &&
    isText(value['signal']) &&
    isNumber(value['graceMs']) &&
    typeof value['killTree'] === 'boolean'
  );
}

function isEnded(value: unknown): boolean {
  return isRecord(value) && isNumber(value['at']) && isExit(value['exit']);
}

function isExit(value: unknown): boolean {
  if (!isRecord(value)) return false;
  switch (value['kind']) {
    case 'code':
      return isNumber(value['code']);
    case 'signal':
      return isText(value['signal']);
    case 'spawn-error':
      return isRecord(value['failure']) && isText(value['failure']['message']);
    case 'timeout':
      return isNumber(value['afterMs']);
    case 'oom':
      return isText(value['evidence']);
    case 'unhealthy':
      return isRecord(value['reason']) && isText(value['reason']['kind']);
    case 'unknown':
      return isText(value['why']);
    default:
      return false;
  }
}

function isStopping(value: unknown): boolean {
  return (
    isRecord(value) && isNumber(value['at']) && isRecord(value['cause']) && isText(value['cause']['kind'])
  );
}
