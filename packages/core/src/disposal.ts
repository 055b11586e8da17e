/** Something that owns a resource: closed at most once, any number of calls allowed. */
export interface Closeable {
  close(): void | Promise<void>;
}

/**
 * Collects what must be undone, and undoes it in reverse order. For constructing something of several parts: on
 * failure everything made so far is closed; on success {@link move} hands the duty over.
 */
export interface DisposalStack extends AsyncDisposable {
  /** Closes `resource` when the stack closes; returns it. */
  use<T extends Closeable>(resource: T): T;
  /** Runs `undo` when the stack closes. */
  defer(undo: () => void | Promise<void>): void;
  /** A new stack that owns everything; this one is left empty and open. */
  move(): DisposalStack;
  /**
   * Undoes everything, last first, one after the other; failures do not keep the others from being undone and are
   * thrown at the end: the one, or an AggregateError. Idempotent: later calls return the first call's promise.
   */
  close(): Promise<void>;
}

async function undoAll(undos: (() => void | Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
    try {
      await undo();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, `close failed in ${failures.length} places`);
}

/** An empty stack. Using or deferring on a closed one throws TypeError, since nothing would undo it. */
export function createDisposalStack(): DisposalStack {
  return stackOf([]);
}

function stackOf(initial: (() => void | Promise<void>)[]): DisposalStack {
  let undos = initial;
  let closing: Promise<void> | undefined;
  const stack: DisposalStack = {
    use(resource) {
      stack.defer(() => resource.close());
      return resource;
    },
    defer(undo) {
      if (closing !== undefined) throw new TypeError('defer: the disposal stack is closed already');
      undos.push(undo);
    },
    move() {
      if (closing !== undefined) throw new TypeError('move: the disposal stack is closed already');
      const moved = undos;
      undos = [];
      return stackOf(moved);
    },
    close() {
      closing ??= undoAll(undos);
      return closing;
    },
    [Symbol.asyncDispose]: () => stack.close(),
  };
  return stack;
}
