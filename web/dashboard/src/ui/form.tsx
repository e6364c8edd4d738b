// Fields, and forms that send once and say what is wrong beside what is wrong.
import {
  type FormEvent,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  useId,
} from "react";
import type { AgentAdmitError } from "../../../react/src/error.js";
import type { Action } from "../../../react/src/resource.js";
import { useLanguage } from "../language.js";
import { Problem } from "./parts.js";

interface Labelled {
  label: string;
  hint?: ReactNode;
  /** What is wrong with it. */
  mistake?: string | null | undefined;
}

/** A label, a hint, what is wrong, and a control that is told of all three. */
export function Field({
  label,
  hint,
  mistake,
  control,
}: Labelled & {
  control: (attributes: {
    id: string;
    "aria-describedby": string | undefined;
    "aria-invalid": true | undefined;
  }) => ReactNode;
}) {
  const id = useId();
  const describing = [hint && `${id}-hint`, mistake && `${id}-mistake`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {mistake && (
        <p className="mistake" id={`${id}-mistake`}>
          {mistake}
        </p>
      )}
      {control({
        id,
        "aria-describedby": describing || undefined,
        "aria-invalid": mistake ? true : undefined,
      })}
    </div>
  );
}

type TextProps = Labelled & {
  value: string;
  onValue: (value: string) => void;
} & Omit<InputHTMLAttributes<HTMLInputElement>, "value" | "onChange">;

export function TextField({ label, hint, mistake, value, onValue, ...rest }: TextProps) {
  return (
    <Field
      label={label}
      hint={hint}
      mistake={mistake}
      control={(attributes) => (
        <input
          type="text"
          className="input"
          autoComplete="off"
          dir="auto"
          {...rest}
          {...attributes}
          value={value}
          onChange={(event) => onValue(event.currentTarget.value)}
        />
      )}
    />
  );
}

export function LinesField({
  label,
  hint,
  mistake,
  value,
  onValue,
  rows = 4,
  isCode,
  maxLength,
}: Labelled & {
  value: string;
  onValue: (value: string) => void;
  rows?: number;
  isCode?: boolean;
  maxLength?: number;
}) {
  return (
    <Field
      label={label}
      hint={hint}
      mistake={mistake}
      control={(attributes) => (
        <textarea
          className={isCode ? "input code" : "input"}
          rows={rows}
          dir={isCode ? "ltr" : "auto"}
          maxLength={maxLength}
          {...attributes}
          value={value}
          onChange={(event) => onValue(event.currentTarget.value)}
        />
      )}
    />
  );
}

type SelectProps<V extends string> = Labelled & {
  value: V;
  onValue: (value: V) => void;
  options: readonly (readonly [value: V, text: string])[];
} & Omit<SelectHTMLAttributes<HTMLSelectElement>, "value" | "onChange">;

export function SelectField<V extends string>({
  label,
  hint,
  mistake,
  value,
  onValue,
  options,
  ...rest
}: SelectProps<V>) {
  return (
    <Field
      label={label}
      hint={hint}
      mistake={mistake}
      control={(attributes) => (
        <select
          className="input"
          {...rest}
          {...attributes}
          value={value}
          onChange={(event) => onValue(event.currentTarget.value as V)}
        >
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    />
  );
}

/** One of a few, or some of a few, each with a sentence that says what it means. */
export function Choices<V extends string>({
  label,
  hint,
  mistake,
  kind,
  options,
  isChosen,
  onChoose,
}: Labelled & {
  kind: "radio" | "checkbox";
  options: readonly { value: V; text: ReactNode; hint?: ReactNode }[];
  isChosen: (value: V) => boolean;
  onChoose: (value: V, isChosen: boolean) => void;
}) {
  const id = useId();
  return (
    <fieldset className="field" aria-describedby={mistake ? `${id}-mistake` : undefined}>
      <legend>{label}</legend>
      {hint && <p className="hint">{hint}</p>}
      {mistake && (
        <p className="mistake" id={`${id}-mistake`}>
          {mistake}
        </p>
      )}
      <div className="choices">
        {options.map(({ value, text, hint }) => (
          <div className="choice" key={value}>
            <input
              type={kind}
              id={`${id}-${value}`}
              name={id}
              checked={isChosen(value)}
              aria-describedby={hint ? `${id}-${value}-hint` : undefined}
              onChange={(event) => onChoose(value, event.currentTarget.checked)}
            />
            <label htmlFor={`${id}-${value}`}>{text}</label>
            {hint && (
              <p className="hint" id={`${id}-${value}-hint`}>
                {hint}
              </p>
            )}
          </div>
        ))}
      </div>
    </fieldset>
  );
}

/** A form that sends once; a second press while it runs does nothing. */
export function Form({
  action,
  submit,
  isDanger,
  onSubmit,
  onCancel,
  children,
}: {
  action: Action<never[], unknown>;
  submit: string;
  isDanger?: boolean;
  onSubmit: () => void;
  onCancel?: () => void;
  children: ReactNode;
}) {
  const { strings } = useLanguage();
  const send = (event: FormEvent) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <form className="form" onSubmit={send} noValidate>
      {children}
      <Problem error={action.error} />
      <div className="actions">
        <button
          type="submit"
          className={isDanger ? "button danger" : "button main"}
          aria-disabled={action.isRunning}
        >
          {action.isRunning ? strings.working : submit}
        </button>
        {onCancel && (
          <button type="button" className="button" onClick={onCancel}>
            {strings.cancel}
          </button>
        )}
      </div>
    </form>
  );
}

/** What the service says of this member of what was sent. */
export function mistakeIn(
  error: AgentAdmitError | null,
  field: string,
  text: string,
): string | undefined {
  return error?.field === field || error?.field?.endsWith(`.${field}`) ? text : undefined;
}
