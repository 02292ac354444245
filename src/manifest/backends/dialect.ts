import type { Result } from '../../core/util/result.ts';
import type { BackendName, LaunchSpec } from '../../core/service.ts';
import type { Hints } from '../check/hints.ts';
import type { EnvValue } from '../keys/environment.ts';
import type { ContainerFact, Facts } from '../keys/facts.ts';
import type { HonouredPort, PortForm, PortProblem } from '../keys/port-forms.ts';
import type { Reader } from '../keys/reader.ts';
import type { ProjectResources } from '../keys/resources.ts';
import type { RawService } from '../keys/services.ts';
import type { Node } from '../read/node.ts';
import type { OtherFiles } from '../read/other-files.ts';
import type { ManifestIo } from '../read/source.ts';

/** Whether a backend can be used on this machine, as far as a look at files tells. */
export interface BackendAvailable {
  readonly available: boolean;
  /** A part of a sentence: what was found, or what was not. */
  readonly reason: string;
}

/** Where a backend is looked for. */
export interface AvailabilityScope {
  readonly env: Readonly<Record<string, string>>;
  readonly homeDir: string;
}

/** What is looked at to tell what the backend of a service cannot honour. */
export interface HonourScope {
  readonly service: RawService;
  readonly facts: Facts;
  /** What the manifests declare. */
  readonly env: ReadonlyMap<string, EnvValue>;
  readonly reader: Reader;
}

/** What the settings of one service are read with. */
export interface SettingsScope {
  readonly service: RawService;
  readonly facts: Facts;
  readonly shell: readonly string[];
  readonly resources: ProjectResources;
  readonly io: ManifestIo;
  readonly files: OtherFiles;
  /** Told the values of variables that are no environment, to be masked where their names say so. */
  readonly onValue: (name: string, value: string) => void;
  readonly reader: Reader;
}

/** What of a launch only some backends have. */
export type BackendParts = Pick<LaunchSpec, 'sandbox' | 'container' | 'settings' | 'user'>;

/**
 * How a manifest is written for one backend: everything that reading, checking and resolving a manifest need to know of it.
 * `dialects` has all of them; nothing outside their files knows one by name.
 */
export interface BackendDialect {
  readonly name: BackendName;
  /** Keys of a service that say how this backend alone would run it. */
  readonly ownKeys: readonly string[];
  /** Keys of a service that this backend cannot honour at all, and what to do instead. */
  readonly refusedKeys: Readonly<Record<string, string>>;
  /** Settings of a service below which a dollar sign is the command's own, as in `command`. */
  readonly commandPaths: readonly (readonly string[])[];
  /** By what the schema calls the place where the word stands. */
  readonly hints: Readonly<Record<string, Hints>>;
  /** The key by which a service that names no backend asks for this one. */
  claim(node: Node): string | undefined;
  /** How to ask for it, where one of its own keys does not say that. */
  claimHelp(key: string): string | undefined;
  /** Why the service as it is written cannot run on it. */
  lack(service: RawService, reader: Reader, files: OtherFiles): string | undefined;
  /** Asks neither an engine nor a tool anything, so it costs next to nothing; whether they work shows when they are used. */
  available(where: AvailabilityScope): BackendAvailable;
  /** What is known of a service that runs in a container; absent: this backend runs processes of the machine. */
  container?(service: RawService, reader: Reader): ContainerFact;
  /** What can be told of a form alone. `networkMode` is that of the container. */
  honourPort(form: PortForm, networkMode: string | undefined): Result<HonouredPort, PortProblem>;
  /** Reports every key that this backend cannot honour, other backends' own keys apart. */
  checkHonoured(scope: HonourScope): void;
  /** What is wrong with it is reported. */
  settings(scope: SettingsScope): BackendParts;
}
