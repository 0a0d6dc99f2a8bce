/** A wait that can be cut short. */
export class Nap {
  #wake: () => void = () => undefined;

  /** null: until it is woken. */
  sleep(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === null ? undefined : setTimeout(resolve, ms).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  wake(): void {
    this.#wake();
  }
}
