/**
 * Interpolation of values: variables, which are known now, and references between services, some of which are known only
 * when an instance starts. What is put in is never read again, and no message holds a variable's value.
 */
import type { Diagnostic, Place } from '../../core/diagnostic.ts';
import type { Result } from '../../core/util/result.ts';
import type { LateRef, Text } from '../../core/service.ts';
import type { MapEntry, Node, ScalarNode } from './node.ts';
import type { ReferenceProblem } from './reference.ts';
import { MAX_PROBLEMS, parseTemplate } from './template.ts';
import type { InterpolationMode, Part, Reference, TextProblem, Variable } from './template.ts';

/** UTF-16 units that one text may grow to. */
export const MAX_TEXT_LENGTH = 1024 * 1024;

/** UTF-16 units that all interpolated texts of one tree may come to. */
const MAX_TOTAL_LENGTH = 16 * MAX_TEXT_LENGTH;

const MAX_MESSAGE_LENGTH = 200;

export interface TextOptions {
  readonly mode: InterpolationMode;
  /** The value of a variable; undefined where it is not set, which is not the same as empty. */
  lookup(name: string): string | undefined;
  /** What a dotted name stands for. Not asked where references are not allowed. */
  reference(path: string): Result<string | LateRef, ReferenceProblem>;
  readonly allowReferences: boolean;
}

export interface InterpolatedText {
  readonly text: Text;
  /** In the order of their offsets. */
  readonly problems: readonly TextProblem[];
  /** Names of the variables that were looked up, each once; those in an operand that was not needed are not among them. */
  readonly used: readonly string[];
}

/**
 * Interpolates one text. Where a problem is an error, the expression in question contributes nothing to the result.
 *
 * Operands are evaluated only where they count, but their syntax is always checked.
 */
export function interpolateText(text: string, options: TextOptions): InterpolatedText {
  if (!text.includes('$')) return { text, problems: [], used: [] };
  const template = parseTemplate(text, options.mode);
  const evaluation = new Evaluation(options);
  evaluation.add(template.parts);
  const problems = [...template.problems, ...evaluation.problems].sort((a, b) => a.offset - b.offset);
  return { text: evaluation.text(), problems, used: [...evaluation.used] };
}

class Evaluation {
  readonly problems: TextProblem[] = [];
  readonly used = new Set<string>();
  readonly #options: TextOptions;
  readonly #parts: (string | LateRef)[] = [];
  #pending: string[] = [];
  #length = 0;
  #failed = false;

  constructor(options: TextOptions) {
    this.#options = options;
  }

  add(parts: readonly Part[]): void {
    for (const part of parts) {
      if (this.#length > MAX_TEXT_LENGTH) return;
      if (typeof part === 'string') this.#literal(part);
      else if (part.kind === 'reference') this.#reference(part);
      else this.#variable(part);
    }
  }

  text(): Text {
    if (this.#length > MAX_TEXT_LENGTH) return '';
    this.#flush();
    const [only = '', ...more] = this.#parts;
    return more.length === 0 && typeof only === 'string' ? only : this.#parts;
  }

  #flush(): void {
    const literal = this.#pending.join('');
    if (literal !== '') this.#parts.push(literal);
    this.#pending = [];
  }

  #literal(text: string, from?: Variable): void {
    this.#length += text.length;
    if (this.#length <= MAX_TEXT_LENGTH) this.#pending.push(text);
    else this.#problem('error', 'interpolation-too-long', 'the value grows beyond 1 MiB', from);
  }

  #variable(variable: Variable): void {
    const { name, operation } = variable;
    this.used.add(name);
    const value = this.#options.lookup(name);
    if (operation === undefined) {
      if (value === undefined) {
        const help = `set it, or write \`\${${name}:-}\` where empty is meant`;
        this.#problem(
          'warning',
          'unset-variable',
          `the variable ${name} is not set: empty is used`,
          variable,
          help,
        );
      }
      this.#literal(value ?? '', variable);
      return;
    }
    const counts = operation.operator.startsWith(':')
      ? value !== undefined && value !== ''
      : value !== undefined;
    switch (operation.operator) {
      case '-':
      case ':-':
        if (counts) this.#literal(value ?? '', variable);
        else this.add(operation.operand);
        return;
      case '+':
      case ':+':
        if (counts) this.add(operation.operand);
        return;
      case '?':
      case ':?':
        if (counts) this.#literal(value ?? '', variable);
        else this.#missing(variable, operation.source, value === '');
        return;
    }
  }

  /** The message is shown as written: what its own expressions stand for might be secret. */
  #missing(variable: Variable, message: string, empty: boolean): void {
    const what = `the variable ${variable.name} is required but ${empty ? 'empty' : 'not set'}`;
    const why = message.replaceAll('$$', '$').replace(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE_LENGTH);
    this.#problem('error', 'required-variable', why === '' ? what : `${what}: ${why}`, variable);
  }

  #reference(reference: Reference): void {
    const { path } = reference;
    if (!this.#options.allowReferences) {
      const message = `\`${path}\` cannot be used here: only variables can`;
      this.#problem('error', 'reference-not-allowed', message, reference);
      return;
    }
    const result = this.#options.reference(path);
    if (!result.ok) {
      this.#problem('error', 'invalid-reference', result.error.message, reference, result.error.help);
    } else if (typeof result.value === 'string') {
      this.#literal(result.value);
    } else {
      this.#flush();
      this.#parts.push(result.value);
    }
  }

  #problem(
    severity: TextProblem['severity'],
    code: string,
    message: string,
    at: Variable | Reference | undefined,
    help?: string,
  ): void {
    // An error is never lost to a flood of warnings: it decides whether the manifest is applied.
    const firstError = severity === 'error' && !this.#failed;
    if (this.problems.length >= MAX_PROBLEMS && !firstError) return;
    this.#failed ||= firstError;
    const span = { offset: at?.offset ?? 0, length: at?.length ?? 0 };
    this.problems.push({ severity, code, message, ...span, ...(help === undefined ? {} : { help }) });
  }
}

/** What is wanted of a scalar at some place of the manifest; `any` is whatever the text reads as. */
export type ExpectedType = 'string' | 'number' | 'boolean' | 'any';

/** A path is the keys from the top, with the index for an item of a list: `['services', 'web', 'command', '0']`. */
export type NodePath = readonly string[];

export interface NodeOptions {
  lookup(name: string): string | undefined;
  /** What a dotted name stands for in the value at `at`. */
  reference(path: string, at: NodePath): Result<string | LateRef, ReferenceProblem>;
  allowReferences(at: NodePath): boolean;
  modeFor(at: NodePath): InterpolationMode | 'none';
  /** Asked for values that interpolation has changed. */
  wants(at: NodePath): ExpectedType;
}

interface InterpolatedNode {
  readonly node: Node;
  readonly diagnostics: readonly Diagnostic[];
  /** Names of the variables that were looked up, each once. */
  readonly used: ReadonlySet<string>;
}

/**
 * Interpolates the values of a tree, never its keys, and leaves out what is tagged `!reset`. What holds nothing to
 * interpolate is the same object in the result.
 *
 * A diagnostic points into the scalar where its column is known (written on one line, without escapes), else at it. Equal
 * diagnostics, of a value used through several aliases, are given once.
 */
export function interpolateNode(node: Node, options: NodeOptions): InterpolatedNode {
  const walk = new Walk(options);
  const result = walk.node(node, []);
  return { node: result, diagnostics: [...walk.diagnostics.values()], used: walk.used };
}

class Walk {
  readonly diagnostics = new Map<string, Diagnostic>();
  readonly used = new Set<string>();
  readonly #options: NodeOptions;
  #total = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  node(node: Node, at: NodePath): Node {
    if (node.tag === 'reset') return node;
    switch (node.kind) {
      case 'scalar':
        return this.#scalar(node, at);
      case 'list': {
        const items = node.items.map((item, index) => this.node(item, [...at, String(index)]));
        return items.every((item, index) => item === node.items[index]) ? node : { ...node, items };
      }
      case 'map': {
        const entries = new Map<string, MapEntry>();
        let changed = false;
        for (const [key, entry] of node.entries) {
          const value = this.node(entry.value, [...at, key]);
          changed ||= value !== entry.value;
          entries.set(key, value === entry.value ? entry : { ...entry, value });
        }
        return changed ? { ...node, entries } : node;
      }
    }
  }

  #scalar(node: ScalarNode, at: NodePath): ScalarNode {
    const { value } = node;
    if (typeof value !== 'string' || !value.includes('$') || this.#total > MAX_TOTAL_LENGTH) return node;
    const mode = this.#options.modeFor(at);
    if (mode === 'none') return node;
    const { text, problems, used } = interpolateText(value, {
      mode,
      lookup: (name) => this.#options.lookup(name),
      reference: (path) => this.#options.reference(path, at),
      allowReferences: this.#options.allowReferences(at),
    });
    for (const name of used) this.used.add(name);
    for (const problem of problems) this.#report(problem, placeIn(node.place, value, problem));
    if (typeof text !== 'string') return { ...node, text };
    this.#total += text.length;
    if (this.#total > MAX_TOTAL_LENGTH) this.#reportTotal(node.place);
    return text === value ? node : { ...node, value: as(this.#options.wants(at), text) };
  }

  #reportTotal(place: Place): void {
    const message = 'the values of this file grow beyond 16 MiB through interpolation';
    this.#report({ severity: 'error', code: 'interpolation-too-long', message }, place);
  }

  #report(problem: Pick<Diagnostic, 'severity' | 'code' | 'message' | 'help'>, place: Place): void {
    const { severity, code, message, help } = problem;
    const key = `${place.file}:${place.line}:${place.column}:${code}:${message}`;
    const labels = [{ place }];
    this.diagnostics.set(key, { severity, code, message, labels, ...(help === undefined ? {} : { help }) });
  }
}

/** The place of a span of a scalar's text, as far as the place of the scalar tells how it is written. */
function placeIn(place: Place, value: string, span: { offset: number; length: number }): Place {
  const written = place.endColumn === undefined ? undefined : place.endColumn - place.column;
  const quoted = written === value.length + 2;
  if (!quoted && written !== value.length && place.source?.startsWith(value, place.column - 1) !== true)
    return place;
  const column = place.column + span.offset + (quoted ? 1 : 0);
  return { ...place, column, endColumn: column + Math.max(1, span.length) };
}

function as(wanted: ExpectedType, text: string): string | number | boolean {
  if (wanted === 'string') return text;
  const value = retype(text);
  return wanted === 'any' || typeof value === wanted ? value : text;
}

/**
 * A text as the number or boolean that it reads as under YAML 1.2's core schema, else as it is. Infinities, NaN and
 * integers that a double cannot hold exactly stay texts.
 */
export function retype(text: string): string | number | boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  const integer = /^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(text);
  if (!integer && !/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return text;
  const value = Number(text);
  return Number.isFinite(value) && (!integer || Number.isSafeInteger(value)) ? value : text;
}
