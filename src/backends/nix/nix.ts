import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { NixEnvironment } from './apply.ts';
import { type CacheEntry, EnvironmentCache } from './cache.ts';
import type { StartFailure } from '../../core/exit.ts';
import type { NixSettings } from './settings.ts';
import { messageOf } from '../../core/util/system-error.ts';
import { findOnPath } from '../../host/programs.ts';
import { type DevEnv, parseDevEnv } from './dev-env.ts';
import { findNix, identityOf, nixFacts, nixSystem } from './facts.ts';
import { nixFailure, plainLine } from './failure.ts';
import { type FlakeState, flakeState } from './flake-files.ts';
import { type FlakeLocation, locateFlake, installable } from './flake-ref.ts';
import { type NixRunner, runNix } from './nix-command.ts';
import { SharedWork, type Waiter } from '../../core/util/shared-work.ts';

interface NixOptions {
  /** What nix is run with, and on whose PATH it is looked for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; where environments are kept unless a flake says otherwise. */
  readonly cacheRoot: string;
  readonly run?: NixRunner;
}

export interface NixShells {
  /**
   * The environment of a flake's shell. One that is there already, of a flake that has not changed since, is given
   * without calling nix, even where nix has gone. Otherwise nix evaluates the flake and builds what the shell needs;
   * what it prints is told to `progress` line by line. Those who ask for the same at once share the work. The shell's
   * `shellHook` is not run. Never rejects; aborted, it resolves with a failure at once.
   */
  materialise(
    spec: NixSettings,
    progress: Waiter['progress'],
    signal: AbortSignal,
  ): Promise<Result<NixEnvironment, StartFailure>>;
  /**
   * A digest of all that the environment is found out from, without calling nix; undefined where it cannot be told, and
   * where it may depend on anything. A lock file that nix has written by itself does not change it. Never rejects.
   */
  inputs(spec: NixSettings): Promise<string | undefined>;
}

export function createNix(options: NixOptions): NixShells {
  return new NixTool(options);
}

/** Variables by which users tell nix how to evaluate. */
const SETTINGS = ['NIX_CONFIG', 'NIX_CONF_DIR', 'NIX_USER_CONF_FILES', 'NIX_REMOTE', 'NIX_STORE_DIR'];
const FEATURES = ['--extra-experimental-features', 'nix-command flakes'];
/** Where an environment is kept that is found out anew each time. */
const LATEST = 'latest';
const HOOK_NOTE =
  "the shell's shellHook is not run: what it sets belongs into `env`, what it does into `hooks.pre_start`";

/** A wanted environment, and what is known of where it comes from. */
interface ShellRequest {
  readonly spec: NixSettings;
  readonly place: FlakeLocation;
  readonly state: FlakeState;
  readonly cache: EnvironmentCache;
  /** Name of all environments of this shell, and of the one of this state. */
  readonly slot: string;
  readonly key: string;
  /** Why it is found out anew each time; absent where it need not be. */
  readonly always?: string;
  /** Its key right before nix wrote its lock file. */
  readonly before?: string;
}

type Outcome = Result<NixEnvironment, StartFailure>;

class NixTool implements NixShells {
  readonly #env: NixOptions['env'];
  readonly #cacheRoot: string;
  readonly #run: NixRunner;
  readonly #jobs = new SharedWork<Outcome>();
  readonly #asked = new Map<string, Promise<string | undefined>>();

  constructor({ env, cacheRoot, run = runNix }: NixOptions) {
    this.#env = env;
    this.#cacheRoot = cacheRoot;
    this.#run = run;
  }

  async materialise(spec: NixSettings, progress: Waiter['progress'], signal: AbortSignal): Promise<Outcome> {
    try {
      const wanted = await this.#want(spec);
      if (!wanted.ok) return wanted;
      const nix = findNix(this.#env);
      const { cache, slot, key, always } = wanted.value;
      const identity = nix === undefined ? undefined : identityOf(nix);
      const entry = always === undefined ? cache.find(slot, key, identity) : undefined;
      if (entry !== undefined) return ok(kept(wanted.value, entry));
      if (nix === undefined) return err(await this.#missing());
      const name = [slot, key, identity].join(' ');
      const outcome = await this.#jobs.join(name, { progress, signal }, (all) =>
        this.#evaluate(wanted.value, nix, all).catch(unexpected),
      );
      return outcome ?? err(GIVEN_UP);
    } catch (cause) {
      return unexpected(cause);
    }
  }

  async inputs(spec: NixSettings): Promise<string | undefined> {
    const name = JSON.stringify(spec);
    const known = this.#asked.get(name);
    if (known !== undefined) return known;
    // Instances of a service ask at the same time.
    const asking = this.#inputs(spec).catch(() => undefined);
    this.#asked.set(name, asking);
    const found = await asking;
    this.#asked.delete(name);
    return found;
  }

  async #inputs(spec: NixSettings): Promise<string | undefined> {
    const wanted = await this.#want(spec);
    if (!wanted.ok || wanted.value.always !== undefined) return undefined;
    const { cache, slot, key } = wanted.value;
    return digest([slot, cache.find(slot, key, undefined)?.before ?? key]);
  }

  async #missing(): Promise<StartFailure> {
    const facts = await nixFacts({ env: this.#env });
    // It may have come back meanwhile.
    if (facts.kind === 'usable') return { code: 'nix-failed', message: `nix is there again (${facts.path})` };
    return { code: 'nix-failed', message: facts.reason, help: facts.help };
  }

  async #want(spec: NixSettings): Promise<Result<ShellRequest, StartFailure>> {
    const place = locateFlake(spec.flake);
    if (!place.ok) return err({ code: 'nix-failed', message: place.error, help: 'correct `nix.flake`' });
    const missing = place.value.kind === 'local' ? lackOf(place.value.dir) : undefined;
    if (missing !== undefined) return err(missing);
    const state = await flakeState(place.value, findOnPath('git', this.#env['PATH']));
    const always =
      state.kind === 'unknown'
        ? state.reason
        : spec.impure
          ? '`nix.impure` lets it depend on anything'
          : undefined;
    const settings = SETTINGS.map((name) => this.#env[name] ?? null);
    return ok({
      spec,
      place: place.value,
      state,
      cache: new EnvironmentCache(spec.cacheDir ?? join(this.#cacheRoot, 'nix')),
      slot: digest([spec.flake, spec.shell, spec.impure, nixSystem(), ...settings]),
      key: always === undefined && state.kind === 'known' ? digest([state.hash]) : LATEST,
      ...(always === undefined ? {} : { always }),
    });
  }

  /** Nix writes a lock file where there is none; then the flake is another one, but this once only. */
  async #evaluate(wanted: ShellRequest, nix: string, all: Waiter): Promise<Outcome> {
    all.progress(`nix evaluates ${installable(wanted.spec)}`);
    const first = await this.#print(wanted, nix, all);
    if (!first.ok || wanted.always !== undefined) return first;
    const after = await this.#want(wanted.spec);
    if (!after.ok || after.value.key === wanted.key) return first;
    const [before, now] = [wanted.state, after.value.state];
    const onlyLocked =
      before.kind === 'known' && now.kind === 'known' && before.hashWithoutLock === now.hashWithoutLock;
    wanted.cache.forget(wanted.slot, wanted.key);
    if (onlyLocked) return this.#print({ ...after.value, before: wanted.key }, nix, all);
    return err({
      code: 'nix-failed',
      message: `${wanted.spec.flake} was changed while nix was evaluating it`,
      help: 'start the service again',
    });
  }

  async #print(wanted: ShellRequest, nix: string, { progress, signal }: Waiter): Promise<Outcome> {
    const { spec, place, cache, slot, key } = wanted;
    const directory = cache.directory(slot, key);
    const stdoutPath = join(directory, `printed.${process.pid}.json`);
    const options = [...FEATURES, ...(spec.impure ? ['--impure'] : [])];
    const profile = cache.profile(slot, key);
    const outcome = await this.#run({
      argv: [nix, 'print-dev-env', '--json', '--profile', profile, ...options, installable(spec)],
      cwd: place.kind === 'local' ? place.dir : '/',
      env: present(this.#env),
      stdoutPath,
      onLine: (line) => {
        const text = plainLine(line);
        if (text !== '') progress(text);
      },
      signal,
    });
    const text = textAndGone(stdoutPath);
    switch (outcome.kind) {
      case 'given-up':
        return err(GIVEN_UP);
      case 'not-started':
        return err({ code: 'nix-failed', message: `${nix} could not be started: ${outcome.why}` });
      case 'exited': {
        if (outcome.code === 0) return ok(this.#take(wanted, nix, parseDevEnv(text), options));
        const refused = outcome.lines.some((line) => /unrecogni[sz]ed flag '--(json|profile)'/.test(line));
        if (refused) return ok(develop(wanted, nix, options, 'this nix cannot print an environment as JSON'));
        return err(nixFailure(`evaluating ${installable(spec)}`, outcome.lines));
      }
    }
  }

  #take(
    wanted: ShellRequest,
    nix: string,
    env: Result<DevEnv, string>,
    options: readonly string[],
  ): NixEnvironment {
    if (!env.ok) return develop(wanted, nix, options, env.error);
    const { cache, slot, key, always, state, before } = wanted;
    const { variables, hook } = env.value;
    const notes = hook ? [HOOK_NOTE] : [];
    dropGenerations(cache.directory(slot, key));
    const entry = { version: 1, nix: identityOf(nix), variables, notes } as const;
    cache.keep(slot, key, before === undefined ? entry : { ...entry, before });
    const scope = state.kind === 'known' ? `; ${state.scope} tell whether it has changed` : '';
    return {
      how: 'direct',
      reason: always === undefined ? `nix has just evaluated it${scope}` : `evaluated each time: ${always}`,
      key: environmentKey(variables),
      variables,
      cached: false,
      kept: always === undefined,
      profile: cache.profile(slot, key),
      notes,
    };
  }
}

const GIVEN_UP: StartFailure = { code: 'nix-failed', message: 'the evaluation of the flake was given up' };

function unexpected(cause: unknown): { readonly ok: false; readonly error: StartFailure } {
  const why = messageOf(cause);
  return err({ code: 'nix-failed', message: `the environment of the flake could not be kept: ${why}` });
}

function kept({ cache, slot, key, state }: ShellRequest, { variables, notes }: CacheEntry): NixEnvironment {
  const scope = state.kind === 'known' ? state.scope : '';
  return {
    how: 'direct',
    reason: `evaluated before, and nothing has changed (${scope})`,
    key: environmentKey(variables),
    variables,
    cached: true,
    kept: true,
    profile: cache.profile(slot, key),
    notes,
  };
}

function develop(
  { spec, slot, key }: ShellRequest,
  nix: string,
  options: readonly string[],
  reason: string,
): NixEnvironment {
  return {
    how: 'develop',
    reason: `each start goes through \`nix develop\`: ${reason}`,
    key: digest([slot, key]),
    command: [nix, 'develop', ...options, installable(spec), '--command'],
    notes: ["the shell's shellHook is run at each start, and what it prints is in the log"],
  };
}

/** Told before nix is asked, which would look for one in the folders above. */
function lackOf(dir: string): StartFailure | undefined {
  const file = join(dir, 'flake.nix');
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) return undefined;
  return {
    code: 'nix-failed',
    message: `there is no flake at ${dir}: ${file} does not exist`,
    help: 'correct `nix.flake`, or make one with `nix flake init`',
  };
}

/** Of an environment itself, so that a flake whose shell stays the same keeps its services running. */
function environmentKey(variables: Readonly<Record<string, string>>): string {
  return digest(Object.entries(variables).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}

function present(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

function textAndGone(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  } finally {
    rmSync(path, { force: true });
  }
}

/** A profile keeps all its generations from the garbage collector; the present one is wanted. */
function dropGenerations(directory: string): void {
  const current = readlinkSync(join(directory, 'profile'));
  for (const name of readdirSync(directory)) {
    if (/^profile-\d+-link$/.test(name) && name !== current) rmSync(join(directory, name), { force: true });
  }
}
