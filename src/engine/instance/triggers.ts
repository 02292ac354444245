import type { Cause, ProjectEventBody } from '../../core/event.ts';
import type { ScheduleSpec, WatchSpec } from '../../core/service.ts';
import type { Calendar } from '../../ports/calendar.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FileWatcher } from '../../ports/file-watcher.ts';
import { ScheduleTimer } from './schedule-timer.ts';
import { SourceWatch } from './source-watch.ts';

interface TriggersHost {
  due(cause: Cause): void;
  filesChanged(cause: Cause, action: WatchSpec['action']): void;
  tell(happening: ProjectEventBody): void;
  changed(): void;
}

/** What is seen to beside an instance's runs: its schedule and its watched files. Made only once there is such a thing. */
export class Triggers {
  readonly #ports: { readonly clock: Clock; readonly calendar: Calendar; readonly watcher: FileWatcher };
  readonly #host: TriggersHost;
  #timer: ScheduleTimer | undefined;
  #watch: SourceWatch | undefined;

  constructor(
    ports: { readonly clock: Clock; readonly calendar: Calendar; readonly watcher: FileWatcher },
    host: TriggersHost,
  ) {
    this.#ports = ports;
    this.#host = host;
  }

  /** When the schedule is due next, epoch ms. */
  get nextRun(): number | undefined {
    return this.#timer?.next;
  }

  /** From now on these; `lastRun`: when the last run of an earlier daemon began, epoch ms. */
  set(schedule: ScheduleSpec | undefined, watch: WatchSpec | undefined, lastRun: number | undefined): void {
    if (schedule !== undefined) this.#timer ??= this.#newTimer();
    this.#timer?.set(schedule, lastRun);
    if (watch !== undefined) this.#watch ??= this.#newWatch();
    this.#watch?.set(watch);
  }

  stop(): void {
    this.#timer?.stop();
    this.#watch?.stop();
  }

  #newTimer(): ScheduleTimer {
    return new ScheduleTimer(
      this.#ports,
      (schedule, unseen) => {
        this.#host.due({ kind: 'schedule', schedule, ...(unseen === undefined ? {} : { unseen }) });
        this.#host.changed();
      },
      (count, schedule) => {
        this.#host.tell({ type: 'schedule-missed', reason: { kind: 'unseen', count, schedule } });
      },
    );
  }

  #newWatch(): SourceWatch {
    return new SourceWatch(this.#ports, {
      act: (cause, action) => this.#host.filesChanged(cause, action),
      warn: (message) => this.#host.tell({ type: 'warning', message }),
    });
  }
}
