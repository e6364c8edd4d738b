import { useCallback, useEffect, useRef, useState } from "react";
import { AgentAdmitError } from "./error.js";

/** Something that is read from the app. */
export interface Resource<T> {
  /** The newest that was read; stays while it is read again, and after an error. */
  data: T | null;
  error: AgentAdmitError | null;
  isLoading: boolean;
  /** Reads it again; the promise ends when that is done. */
  reload: () => Promise<void>;
}

/**
 * Reads when it is first shown and whenever `key` changes. A read that is overtaken is aborted, and
 * its answer counts for nothing.
 */
export function useResource<T>(
  read: (signal: AbortSignal) => Promise<T>,
  key: string,
): Resource<T> {
  const newest = useRef(read);
  newest.current = read;
  const running = useRef<AbortController | null>(null);
  const [state, setState] = useState<{
    key: string;
    data: T | null;
    error: AgentAdmitError | null;
    isLoading: boolean;
  }>({
    key,
    data: null,
    error: null,
    isLoading: true,
  });

  const reload = useCallback(async () => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    setState((old) => ({ ...old, data: old.key === key ? old.data : null, key, isLoading: true }));
    try {
      const data = await newest.current(mine.signal);
      if (!mine.signal.aborted) setState({ key, data, error: null, isLoading: false });
    } catch (error) {
      if (mine.signal.aborted) return;
      setState((old) => ({ ...old, error: asError(error), isLoading: false }));
    }
  }, [key]);

  useEffect(() => {
    void reload();
    return () => running.current?.abort();
  }, [reload]);

  return {
    data: state.key === key ? state.data : null,
    error: state.error,
    isLoading: state.isLoading,
    reload,
  };
}

/** Something that is done at the app. */
export interface Action<A extends unknown[], R> {
  /**
   * Does it, and answers `null` where it failed (`error` says why) and where the same is being done
   * already: a second click does nothing.
   */
  run: (...args: A) => Promise<R | null>;
  isRunning: boolean;
  error: AgentAdmitError | null;
  reset: () => void;
}

/**
 * A change is never aborted when its component goes: whether it was made could then not be known.
 * Only its answer is dropped.
 */
export function useAction<A extends unknown[], R>(
  perform: (...args: A) => Promise<R>,
): Action<A, R> {
  const newest = useRef(perform);
  newest.current = perform;
  const isBusy = useRef(false);
  const isShown = useRef(true);
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<AgentAdmitError | null>(null);

  useEffect(() => {
    isShown.current = true;
    return () => {
      isShown.current = false;
    };
  }, []);

  const run = useCallback(async (...args: A): Promise<R | null> => {
    if (isBusy.current) return null;
    isBusy.current = true;
    setRunning(true);
    setError(null);
    try {
      const result = await newest.current(...args);
      return isShown.current ? result : null;
    } catch (error) {
      if (isShown.current) setError(asError(error));
      return null;
    } finally {
      isBusy.current = false;
      if (isShown.current) setRunning(false);
    }
  }, []);

  const reset = useCallback(() => setError(null), []);
  return { run, isRunning, error, reset };
}

function asError(error: unknown): AgentAdmitError {
  if (error instanceof AgentAdmitError) return error;
  return new AgentAdmitError("unexpected", String(error), { cause: error });
}
