// Dialogs: the browser's own, which keeps the focus within and gives it back.
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { Action } from "../../../react/src/resource.js";
import { Fill } from "../../../react/src/text.js";
import { useLanguage } from "../language.js";
import { TextField } from "./form.js";
import { copied, Problem } from "./parts.js";

export function Dialog({
  title,
  onClose,
  isKept,
  children,
}: {
  title: string;
  onClose: () => void;
  /** Whether only a button closes it: it shows what is not shown again. */
  isKept?: boolean;
  children: ReactNode;
}) {
  const { strings } = useLanguage();
  const id = useId();
  const place = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const from = document.activeElement;
    const dialog = place.current;
    dialog?.showModal();
    return () => {
      // as long as it is open, nothing around it takes the focus
      dialog?.close();
      if (from instanceof HTMLElement && from.isConnected) from.focus();
      else document.querySelector<HTMLElement>("h1")?.focus();
    };
  }, []);
  return (
    <dialog
      ref={place}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (!isKept) onClose();
      }}
    >
      <div className="dialog-head">
        <h2 id={id}>
          <bdi>{title}</bdi>
        </h2>
        {!isKept && (
          <button
            type="button"
            className="icon-button"
            aria-label={strings.close}
            onClick={onClose}
          >
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" className="icon">
              <path d="m4 4 8 8M12 4l-8 8" />
            </svg>
          </button>
        )}
      </div>
      {children}
    </dialog>
  );
}

/** A question before something that cannot be undone. The focus goes to the way back. */
export function Confirm({
  title,
  text,
  values = {},
  typed,
  yes,
  action,
  onYes,
  onNo,
}: {
  title: string;
  text: string;
  values?: Record<string, ReactNode>;
  /** What must be typed before it can be done. */
  typed?: { label: string; text: string };
  yes: string;
  action: Action<never[], unknown>;
  onYes: () => void;
  onNo: () => void;
}) {
  const { strings } = useLanguage();
  const [said, setSaid] = useState("");
  const [isMistaken, setMistaken] = useState(false);
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => no.current?.focus(), []);
  const agree = () => {
    if (typed && said.trim() !== typed.text.trim()) setMistaken(true);
    else onYes();
  };
  return (
    <Dialog title={title} onClose={onNo}>
      <p>
        <Fill text={text} {...values} />
      </p>
      {typed && (
        <TextField
          label={typed.label}
          value={said}
          onValue={setSaid}
          mistake={isMistaken ? strings.typedOtherwise : null}
        />
      )}
      <Problem error={action.error} />
      <div className="actions">
        <button
          type="button"
          className="button danger"
          aria-disabled={action.isRunning}
          onClick={agree}
        >
          {action.isRunning ? strings.working : yes}
        </button>
        <button type="button" className="button" ref={no} onClick={onNo}>
          {strings.cancel}
        </button>
      </div>
    </Dialog>
  );
}

/** A secret that is shown once: gone from the page with the dialog, and when the page is left. */
export function ShownOnce({
  title,
  intro,
  label,
  secret,
  onClose,
  children,
}: {
  title: string;
  intro: string;
  label: string;
  secret: string;
  onClose: () => void;
  children?: ReactNode;
}) {
  const { strings } = useLanguage();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  const closing = useRef(onClose);
  closing.current = onClose;
  useEffect(() => {
    // a browser may keep a page that was left, and show it again as it was
    const wipe = () => {
      field.current?.setAttribute("value", "");
      if (field.current) field.current.value = "";
      closing.current();
    };
    addEventListener("pagehide", wipe);
    addEventListener("popstate", wipe);
    return () => {
      removeEventListener("pagehide", wipe);
      removeEventListener("popstate", wipe);
    };
  }, []);
  const copy = async () => {
    field.current?.select();
    setSaid((await copied(secret)) ? strings.copied : strings.copyFailed);
  };
  return (
    <Dialog title={title} onClose={onClose} isKept>
      <p className="note" data-tone="warning">
        {intro}
      </p>
      <div className="field">
        <label htmlFor={id}>{label}</label>
        <div className="joined">
          <input
            id={id}
            ref={field}
            className="input code"
            dir="ltr"
            readOnly
            spellCheck={false}
            autoComplete="off"
            value={secret}
            onFocus={(event) => event.currentTarget.select()}
          />
          <button type="button" className="button main" onClick={() => void copy()}>
            {strings.copy}
          </button>
        </div>
        <p className="hint" role="status">
          {said}
        </p>
      </div>
      {children}
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {strings.stored}
        </button>
      </div>
    </Dialog>
  );
}
