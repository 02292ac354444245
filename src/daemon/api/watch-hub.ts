import type { WatchItem } from '../../core/api.ts';
import type { Control } from '../../ports/control.ts';
import { encodeLine } from './line-stream.ts';

interface WatchListener {
  /** A happening is in the journal. */
  happened(): void;
  /** The project's snapshot, as a line that is shared by all listeners. */
  changed?(line: Buffer): void;
}

/** The one subscription of all clients that watch; it is there only while some do. */
export class WatchHub {
  readonly #control: Control;
  readonly #listeners = new Set<WatchListener>();
  #unsubscribe: (() => void) | undefined;

  constructor(control: Control) {
    this.#control = control;
  }

  add(listener: WatchListener): () => void {
    this.#listeners.add(listener);
    this.#unsubscribe ??= this.#control.subscribe((item) => this.#publish(item));
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
    };
  }

  #publish(item: WatchItem): void {
    if (item.type === 'happening') {
      for (const listener of this.#listeners) listener.happened();
      return;
    }
    const watchers = [...this.#listeners].filter((listener) => listener.changed !== undefined);
    if (watchers.length === 0) return;
    const line = encodeLine(item);
    for (const watcher of watchers) watcher.changed?.(line);
  }
}
