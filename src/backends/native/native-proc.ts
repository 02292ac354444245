import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exit } from '../../core/exit.ts';
import type { RunId } from '../../core/state.ts';
import type {
  NotifyFeed,
  Proc,
  ProcessIdentity,
  ProcInput,
  UnitMember,
  UnitStats,
} from '../../ports/backend.ts';
import type { Cgroup } from '../../host/cgroup/cgroup.ts';
import {
  type LauncherStart,
  decideExit,
  type LauncherRecord,
  parseRecord,
  signalNumber,
} from './exit-record.ts';
import { isAlive, type ProcessEntry, readProcess } from '../../host/identity.ts';
import { FILES } from './launcher.ts';
import { type OomCounter, OomJudge } from '../../host/oom.ts';
import { findService } from './pid-namespace.ts';
import { readProcFile, readText } from '../../host/proc-fs.ts';
import { removeSecrets } from './secrets.ts';
import { removeStaleSocket } from './socket-file.ts';
import { UnitMeter } from './stats.ts';
import type { ProcessScanner, UnitView } from '../../host/unit-scan.ts';
import { UnitTracker } from './unit-tracker.ts';

/** How the watch over a launcher ended. */
export interface LauncherEnd {
  /** Where it was a child of this process. */
  readonly status?: { readonly code: number | null; readonly signal: string | null };
  /** Said of the service's end if nothing tells how it was. */
  readonly otherwise: string;
}

interface NativeProcOptions {
  readonly run: RunId;
  readonly instanceDir: string;
  readonly socket?: string | undefined;
  readonly launcher?: ProcessIdentity | undefined;
  readonly scanner: ProcessScanner;
  /** Resolves once the launcher is gone. Never rejects. */
  readonly ended: Promise<LauncherEnd>;
  /** Signals that are known to have been sent already. */
  readonly sent?: readonly string[];
  /** Whether no later run of the instance has begun. */
  readonly isLatest: () => boolean;
  /** It was found ended. */
  readonly over?: boolean;
  /** False for what ended with an earlier start of the machine: there is nothing to look for. */
  readonly sameBoot?: boolean;
  /** The run's own; removed here once nothing of the unit is left. */
  readonly cgroup?: Cgroup | undefined;
  /** Tells deaths for lack of memory where no control group does. */
  readonly oomCounter?: OomCounter | undefined;
  /** The files that are its output: who writes to them belongs to it. */
  readonly logPaths?: readonly string[] | undefined;
  readonly notify?: NotifyFeed | undefined;
  readonly input?: ProcInput | undefined;
}

/** How long a signal waits for the launcher to have begun the service. */
const BEGIN_MS = 2000;
/** How long a launcher may outlive its killed unit before it is killed itself. */
const LAUNCHER_LINGER_MS = 1000;
/** How long a group outlives its main process: a daemon that dies before it has noted the end reads the end in there. */
const GROUP_LINGER_MS = 100;
const KILL_ROUNDS = 5;
const SHORTAGE_POLL_MS = 50;
const GONE_POLL_MIN_MS = 10;
const GONE_POLL_MAX_MS = 250;

/** Signals after which a stopped process is woken, so that it can act upon them. */
const WAKING = new Set([
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGABRT',
  'SIGALRM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGPIPE',
]);

/** A run of a service under its launcher, started here or by an earlier daemon. */
export class NativeProc implements Proc {
  readonly run: RunId;
  readonly exited: Promise<Exit>;
  readonly over?: true;
  readonly notify?: NotifyFeed;
  readonly input?: ProcInput;
  readonly #options: NativeProcOptions;
  readonly #sent: Set<string>;
  readonly #unit: UnitTracker;
  readonly #meter: UnitMeter;
  readonly #oom: OomJudge;
  #launcher: ProcessIdentity | undefined;
  #pid: number | undefined;
  #service: ProcessIdentity | undefined;
  #over = false;
  #gone: Promise<void> | undefined;

  constructor(options: NativeProcOptions) {
    this.run = options.run;
    this.#options = options;
    this.#launcher = options.launcher;
    this.#sent = new Set(options.sent);
    this.#unit = new UnitTracker({ ...options, launcher: options.launcher });
    this.#meter = new UnitMeter(options.cgroup);
    this.#oom = new OomJudge({ cgroup: options.cgroup, counter: options.oomCounter });
    if (options.over === true) this.over = true;
    if (options.notify !== undefined) this.notify = options.notify;
    if (options.input !== undefined) this.input = options.input;
    this.exited = options.ended.then((end) => this.#conclude(end));
  }

  pid(): number | undefined {
    this.#identify();
    return this.#pid;
  }

  /** Looked for only once somebody asks. */
  get gone(): Promise<void> {
    this.#gone ??= this.#watchUntilGone();
    return this.#gone;
  }

  async signal(signal: string, scope: 'unit' | 'main'): Promise<number> {
    const number = signalNumber(signal);
    if (number === undefined || this.#options.sameBoot === false) return 0;
    await this.#begun();
    if (scope === 'main') return this.#signalMain(signal, number);
    if (signal === 'SIGKILL') return this.#killUnit();
    const view = await this.#look();
    if (view.members.length > 0) this.#sent.add(signal);
    return this.#signalMembers(view, signal, number);
  }

  async members(): Promise<readonly UnitMember[]> {
    if (this.#options.sameBoot === false) return [];
    const view = await this.#look();
    return view.members.map(({ pid }) => ({ pid, command: commandOf(pid) }));
  }

  async stats(): Promise<UnitStats | undefined> {
    if (this.#options.sameBoot === false) return undefined;
    this.#identify();
    const stats = this.#meter.read(await this.#unit.look());
    if (this.#service !== undefined && isAlive(this.#service)) this.#oom.mainLives();
    return stats;
  }

  /** Learns the service's pid from the launcher's record, and its identity while it is the launcher's child. */
  #identify(): void {
    if (this.#pid !== undefined) return;
    const { begun, status } = this.#record();
    if (begun === undefined) return;
    const { bootId } = begun;
    const pid = begun.ownPids ? this.#seekService(begun) : begun.servicePid;
    if (pid === undefined) return;
    this.#pid = pid;
    if (status !== undefined || this.#launcher === undefined) return;
    const entry = readProcess(pid);
    if (entry?.ppid !== this.#launcher.pid) return;
    this.#service = { pid, startTime: entry.startTime, bootId };
    this.#unit.add(pid, entry.startTime);
  }

  /** While the launcher lives, its children tell. */
  #seekService(begun: LauncherStart): number | undefined {
    const launcher = this.#launcher;
    return launcher === undefined || !isAlive(launcher) ? undefined : findService(begun, launcher.pid);
  }

  #record(): LauncherRecord {
    return parseRecord(readText(join(this.#options.instanceDir, FILES.exit)), this.run);
  }

  /** Without a descriptor left, waits for one rather than say that nothing is known. */
  async #finalRecord(): Promise<LauncherRecord> {
    for (;;) {
      try {
        const content = readProcFile(join(this.#options.instanceDir, FILES.exit));
        return parseRecord(content?.toString('utf8') ?? '', this.run);
      } catch {
        await sleep(SHORTAGE_POLL_MS);
      }
    }
  }

  /** A signal that overtook the launcher's beginning would be lost. */
  async #begun(): Promise<void> {
    const deadline = performance.now() + BEGIN_MS;
    for (let wait = 1; this.pid() === undefined && !this.#over && performance.now() < deadline; wait *= 2) {
      await sleep(Math.min(wait, 50));
    }
  }

  async #look(): Promise<UnitView> {
    this.#identify();
    return this.#unit.lookClosely();
  }

  async #signalMain(signal: string, number: number): Promise<number> {
    const pid = await this.#livingMain();
    if (pid === undefined) return 0;
    this.#sent.add(signal);
    if (!send(pid, number)) return 0;
    if (WAKING.has(signal) && readProcess(pid)?.stopped === true) send(pid, CONT);
    return 1;
  }

  async #livingMain(): Promise<number | undefined> {
    if (this.#service !== undefined) return isAlive(this.#service) ? this.#service.pid : undefined;
    // Without its launcher the main process can only be told by what makes it a member.
    const { members } = await this.#look();
    return members.find((member) => member.pid === this.#pid && isSame(member))?.pid;
  }

  /** The group at once, so that no fork slips through; those outside it one by one. */
  #signalMembers(view: UnitView, signal: string, number: number): number {
    const { members } = view;
    const pgid = this.#launcher?.pid;
    const group = pgid !== undefined && view.ownsGroup && this.#stillOwnsGroup(view, pgid) ? pgid : undefined;
    let count = 0;
    if (group !== undefined && members.some((member) => member.pgid === group) && send(-group, number)) {
      count += members.filter((member) => member.pgid === group).length;
    }
    for (const member of members) {
      if (member.pgid !== group && isSame(member) && send(member.pid, number)) count += 1;
    }
    if (WAKING.has(signal)) {
      for (const member of members) if (member.stopped && isSame(member)) send(member.pid, CONT);
      this.#wakeLauncher();
    }
    return count;
  }

  #stillOwnsGroup(view: UnitView, pgid: number): boolean {
    if (view.launcher !== undefined && readProcess(pgid)?.startTime === view.launcher.startTime) return true;
    return view.members.some((member) => member.pgid === pgid && isSame(member));
  }

  /** A launcher that was stopped along with its group could not write the status. */
  #wakeLauncher(): void {
    const launcher = this.#launcher;
    if (launcher === undefined || !isAlive(launcher)) return;
    if (readProcess(launcher.pid)?.stopped === true) send(launcher.pid, CONT);
  }

  /** Everything but the launcher, which then writes how the service ended. */
  async #killUnit(): Promise<number> {
    const killed = new Set<number>();
    for (let round = 0; round < KILL_ROUNDS; round += 1) {
      const { members } = await this.#look();
      const fresh = members.filter((member) => !killed.has(member.pid));
      if (fresh.length === 0) break;
      this.#sent.add('SIGKILL');
      // Members that keep appearing are forked by others: nobody forks who is stopped.
      if (round > 0) for (const member of members) if (isSame(member)) send(member.pid, STOP);
      for (const member of members) if (isSame(member) && send(member.pid, KILL)) killed.add(member.pid);
      this.#options.cgroup?.kill();
    }
    this.#wakeLauncher();
    if (!this.#over) void this.#killLauncherThatLingers();
    return killed.size;
  }

  async #killLauncherThatLingers(): Promise<void> {
    await Promise.race([this.exited, sleep(LAUNCHER_LINGER_MS, undefined, { ref: false })]);
    if (this.#over || this.#launcher === undefined) return;
    const { members } = await this.#look();
    if (members.length === 0 && isAlive(this.#launcher)) {
      this.#sent.add('SIGKILL');
      send(this.#launcher.pid, KILL);
    }
  }

  async #conclude(end: LauncherEnd): Promise<Exit> {
    const { socket, cgroup } = this.#options;
    this.#identify();
    const record = await this.#finalRecord();
    const exit = decideExit({
      record,
      launcher: end.status,
      sent: this.#sent,
      otherwise: end.otherwise,
      oom: () => this.#oom.evidence(),
    });
    if (cgroup !== undefined) setTimeout(() => cgroup.remove(), GROUP_LINGER_MS).unref();
    if (this.#options.isLatest()) removeSecrets(this.#options.instanceDir);
    if (socket !== undefined && this.#options.isLatest()) await removeStaleSocket(socket);
    this.#over = true;
    this.#unit.end();
    if (this.#options.sameBoot === false) this.#unit.close();
    return exit;
  }

  async #watchUntilGone(): Promise<void> {
    await this.exited;
    const { socket, isLatest, sameBoot } = this.#options;
    if (sameBoot === false) return;
    for (let wait = GONE_POLL_MIN_MS; ; wait = Math.min(wait * 2, GONE_POLL_MAX_MS)) {
      const { members } = await this.#look();
      if (members.length === 0) break;
      await sleep(wait);
    }
    this.#options.cgroup?.remove();
    // The main process may have left its socket to another that has ended only now.
    if (socket !== undefined && isLatest()) await removeStaleSocket(socket);
  }
}

const CONT = signalNumber('SIGCONT') ?? 0;
const STOP = signalNumber('SIGSTOP') ?? 0;
const KILL = 9;

/** False where there is nobody any more, or it may not be signalled. */
function send(pid: number, signal: number): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function isSame(entry: ProcessEntry): boolean {
  const now = readProcess(entry.pid);
  return now !== undefined && now.startTime === entry.startTime && !now.zombie;
}

const COMMAND_LIMIT = 4096;

/** The command line as one line: control characters escaped, bounded. */
function commandOf(pid: number): string {
  const cmdline = readProcFile(`/proc/${pid}/cmdline`, COMMAND_LIMIT)?.toString('utf8') ?? '';
  const text = cmdline.replace(/\0+$/, '').replaceAll('\0', ' ');
  const shown = text === '' ? `[${readProcFile(`/proc/${pid}/comm`)?.toString('utf8').trim() ?? '?'}]` : text;
  return shown.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
