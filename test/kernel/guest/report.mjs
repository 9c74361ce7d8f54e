/** Named checks, one line each, and the count at the end. */
export class Report {
  #passed = 0;
  #failed = new Set();
  #skipped = 0;
  #started = performance.now();
  #onFailure;

  /** `onFailure` is called with the name of each check that fails, at once, to keep what explains it. */
  constructor(onFailure) {
    this.#onFailure = onFailure;
  }

  /**
   * Runs one check; whatever it throws is why it failed, what it returns is a remark. It may build on others by
   * name: where one of these failed, it fails too, without being tried. `limitMs` bounds it.
   */
  async check(name, { after = [], limitMs = 30_000 }, body) {
    const started = performance.now();
    let timer;
    try {
      const missing = after.find((other) => this.#failed.has(other));
      if (missing !== undefined) throw new Error(`not tried: it builds on "${missing}"`);
      const limit = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not done after ${limitMs / 1000} s`)), limitMs);
      });
      const remark = await Promise.race([body(), limit]);
      this.#passed++;
      this.#line('ok    ', name, started, remark);
    } catch (error) {
      this.#failed.add(name);
      this.#onFailure(name);
      this.#line('FAILED', name, started);
      for (const line of String(error.message).trimEnd().split('\n')) print(`         ${line}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What somebody declares that it cannot do: said and counted, and no pass. */
  skipped(name, why) {
    this.#skipped++;
    print(`cannot          ${name} (${why})`);
  }

  /** A measured figure: printed, never judged, for emulation is slow. */
  figure(text) {
    print(`figure   ${text}`);
  }

  /** Counts the run as a whole as failed. */
  fail(why) {
    this.#failed.add(why);
    this.#onFailure(why);
    print(`FAILED   ${why}`);
  }

  /** Prints the last line and gives the exit status. */
  end() {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    if (this.#skipped > 0)
      print(`${this.#skipped} of the contract's cases are beyond what a transport declares that it can`);
    print(`checks in the guest, ${seconds} s: ${this.#passed} passed, ${this.#failed.size} failed`);
    return this.#failed.size === 0 && this.#passed > 0 ? 0 : 1;
  }

  #line(verdict, name, started, remark) {
    const seconds = `${((performance.now() - started) / 1000).toFixed(1)} s`.padStart(7);
    print(`${verdict} ${seconds}  ${name}${typeof remark === 'string' ? ` (${remark})` : ''}`);
  }
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
