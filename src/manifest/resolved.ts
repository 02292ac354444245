import type { Redactor } from '../core/redact.ts';
import type { LateRef, ServiceSpec, Text } from '../core/service.ts';
import { dialects } from './backends/dialects.ts';
import type { EnvValue } from './keys/environment.ts';
import { isOwnName } from './read/interpolation.ts';
import type { MapNode, Node } from './read/node.ts';
import { shortPath } from './read/paths.ts';
import { unusedTimings } from './keys/probes.ts';
import { statedAt } from './keys/services.ts';
import type { RawService } from './keys/services.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The manifest after merging and interpolation, with secrets masked. */
export interface ResolvedManifest {
  readonly manifest: { readonly [key: string]: Json };
  /** Of each value, by its path such as `services.api.env.PORT`: where it was said last, as `file:line`. */
  readonly origins: Readonly<Record<string, string>>;
}

/**
 * A service's node without what the defaults give to others: settings of probes, schedules and the like, for those who have
 * one, and what only another backend has a use for. What `backend_order` chooses from stays.
 */
export function effectiveNode(service: RawService, spec: ServiceSpec): MapNode {
  const { node } = service;
  const entries = new Map(node.entries);
  for (const key of ['ready', 'live', 'schedule', 'watch'] as const) {
    if (spec[key] === undefined) entries.delete(key);
  }
  const drop = (key: string, unused: readonly string[]): void => {
    const entry = entries.get(key);
    if (entry?.value.kind !== 'map') return;
    const kept = new Map(entry.value.entries);
    for (const name of unused) kept.delete(name);
    if (kept.size === 0 && entry.value.entries.size > 0) entries.delete(key);
    else entries.set(key, { ...entry, value: { ...entry.value, entries: kept } });
  };
  for (const key of ['ready', 'live'] as const) {
    const kind = spec[key]?.check.kind;
    if (kind !== undefined) drop(key, unusedTimings(key, kind));
  }
  if (spec.launch.tty === true) drop('log', ['stderr']);
  for (const { name, ownKeys } of dialects) {
    if (spec.launch.backend === name || entries.has('backend_order')) continue;
    for (const key of ownKeys) if (statedAt(service, key) === undefined) entries.delete(key);
  }
  return { ...node, entries };
}

/** Builds the resolved form, value by value, with their origins beside them. */
export class ResolvedBuilder {
  readonly #origins = new Map<string, string>();
  readonly #redactor: Redactor;
  readonly #values: Redactor;
  readonly #dir: string;

  /** `values` masks known secrets wherever they are; `dir` is what files are named relative to. */
  constructor(redactor: Redactor, values: Redactor, dir: string) {
    this.#redactor = redactor;
    this.#values = values;
    this.#dir = dir;
  }

  get origins(): Record<string, string> {
    return Object.fromEntries(this.#origins);
  }

  /** A service's keys in the order of the manifest, `env` as it came out of all levels and files. */
  service(id: string, node: MapNode, env: ReadonlyMap<string, EnvValue>, link: (text: Text) => Text): Json {
    const path = `services.${id}`;
    const keys = new Map<string, Json>();
    for (const { key, value } of node.entries.values()) {
      if (!key.startsWith('x-')) keys.set(key, this.node(value, `${path}.${key}`, link));
    }
    if (env.size > 0) {
      const values = [...env].map(([name, { value, origin, secret }]): [string, Json] => {
        this.#origins.set(`${path}.env.${name}`, this.#short(origin));
        const masked = secret === true || this.#redactor.isSecretKey(name);
        return [name, masked ? '***' : this.#string(value)];
      });
      keys.set('env', Object.fromEntries(values));
    }
    return Object.fromEntries(keys);
  }

  node(node: Node, path: string, link: (text: Text) => Text): Json {
    if (node.kind === 'list')
      return this.#list(node.items.map((item, index) => this.node(item, `${path}.${index}`, link)));
    if (node.kind === 'map') {
      const values = [...node.entries.values()].map(({ key, value }): [string, Json] => {
        return [key, this.#masked(key, this.node(value, `${path}.${key}`, link))];
      });
      return Object.fromEntries(values);
    }
    this.#origins.set(path, this.#short(`${node.place.file}:${node.place.line}`));
    if (node.text !== undefined) return this.#string(link(node.text));
    if (typeof node.value === 'string') return this.#string(node.value);
    const asWritten = /^0\d/.test(node.raw ?? '') || path.includes('.labels.');
    return asWritten && node.raw !== undefined ? node.raw : node.value;
  }

  /** A list may be a command, in which an argument can be secret because of the one before it. */
  #list(items: readonly Json[]): Json {
    const masked = this.#redactor.args(items.map((item) => (typeof item === 'string' ? item : '')));
    return items.map((item, index) => (typeof item === 'string' ? (masked[index] ?? item) : item));
  }

  #masked(key: string, value: Json): Json {
    return typeof value === 'string' && this.#redactor.isSecretKey(key) ? '***' : value;
  }

  #string(text: Text): string {
    const parts = typeof text === 'string' ? [text] : text;
    const whole = parts
      .map((part: string | LateRef) => (typeof part === 'string' ? part : written(part)))
      .join('');
    return this.#values.text(whole);
  }

  #short(origin: string): string {
    return shortPath(origin, this.#dir);
  }
}

/** A late reference as it is written in a manifest. */
function written(part: LateRef): string {
  if (isOwnName(part)) return '${service.name}';
  switch (part.ref) {
    case 'port':
      return `\${services.${part.service}.ports.${part.port}}`;
    case 'host':
      return `\${services.${part.service}.host}`;
    case 'instance-number':
      return '${instance.number}';
  }
}

/** As YAML, with the origin of each value behind it where that is asked for; or as JSON, `{manifest, origins}` then. */
export function renderResolved(
  { manifest, origins }: ResolvedManifest,
  { format, origin }: { readonly format: 'yaml' | 'json'; readonly origin: boolean },
): string {
  if (format === 'json')
    return `${JSON.stringify(origin ? { manifest, origins } : manifest, undefined, 2)}\n`;
  const lines: [text: string, path: string][] = [];
  emitMap(manifest, '', '', lines);
  const width = Math.min(60, Math.max(0, ...lines.map(([text]) => text.length)));
  const shown = lines.map(([text, path]) => {
    const from = origin ? origins[path] : undefined;
    return from === undefined ? text : `${text.padEnd(width)}  # ${from}`;
  });
  return `${shown.join('\n')}\n`;
}

function emitMap(map: object, indent: string, path: string, lines: [string, string][]): void {
  for (const [key, value] of Object.entries(map) as [string, Json][]) {
    emit(`${indent}${scalar(key)}:`, value, indent, path === '' ? key : `${path}.${key}`, lines);
  }
}

function emit(head: string, value: Json, indent: string, path: string, lines: [string, string][]): void {
  if (typeof value !== 'object' || value === null) {
    lines.push([`${head} ${scalar(value)}`, path]);
  } else if (Object.keys(value).length === 0) {
    lines.push([`${head} ${Array.isArray(value) ? '[]' : '{}'}`, path]);
  } else {
    lines.push([head, path]);
    if (Array.isArray(value)) {
      for (const [index, item] of (value as Json[]).entries()) {
        emit(`${indent}  -`, item, `${indent}  `, `${path}.${index}`, lines);
      }
    } else emitMap(value, `${indent}  `, path, lines);
  }
}

/** Plain where YAML cannot take it for anything but that text, else in double quotes, whose escapes JSON shares. */
function scalar(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  const plain =
    /^[A-Za-z./_][A-Za-z0-9 ./_@%+=,-]*(?::[A-Za-z0-9./_@%+=,-]+)*$/.test(value) && !value.endsWith(' ');
  const special =
    /^(?:null|true|false|yes|no|on|off|\.inf|\.nan|~)$/i.test(value) || /^[-+.]?[0-9]/.test(value);
  return plain && !special ? value : JSON.stringify(value);
}
