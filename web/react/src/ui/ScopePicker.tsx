import { useId } from "react";
import { useLanguage } from "../text.js";
import type { Scope } from "../types.js";
import { Subheading } from "./Frame.js";

/** Scopes by category, each with what it means. */
export function ScopePicker({
  scopes,
  chosen,
  onChange,
  error,
}: {
  scopes: Scope[];
  chosen: ReadonlySet<string>;
  onChange: (chosen: ReadonlySet<string>) => void;
  error?: string | undefined;
}) {
  const { strings } = useLanguage();
  const id = useId();
  const groups = byCategory(scopes, strings.grant.otherCategory);
  const toggle = (name: string) => {
    const changed = new Set(chosen);
    if (!changed.delete(name)) changed.add(name);
    onChange(changed);
  };
  return (
    <fieldset className="aa-field" aria-describedby={`${id}-hint ${id}-error`}>
      <legend>{strings.grant.scopes}</legend>
      <p className="aa-hint" id={`${id}-hint`}>
        {strings.grant.scopesHint}
      </p>
      <p className="aa-error" id={`${id}-error`} role="alert">
        {error}
      </p>
      {groups.map(([category, members], index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: categories do not move, and have no id
        <div className="aa-group" key={index} role="group" aria-labelledby={`${id}-${index}`}>
          {groups.length > 1 && (
            <Subheading id={`${id}-${index}`}>
              <bdi>{category}</bdi>
            </Subheading>
          )}
          {members.map((scope) => (
            <ScopeChoice
              key={scope.name}
              scope={scope}
              isChosen={chosen.has(scope.name)}
              onToggle={() => toggle(scope.name)}
            />
          ))}
        </div>
      ))}
    </fieldset>
  );
}

export function ScopeChoice({
  scope,
  isChosen,
  onToggle,
}: {
  scope: Scope;
  isChosen: boolean;
  onToggle: () => void;
}) {
  const { strings } = useLanguage();
  const id = useId();
  return (
    <div className="aa-choice" data-sensitive={scope.sensitive || undefined}>
      <input
        type="checkbox"
        id={id}
        checked={isChosen}
        onChange={onToggle}
        aria-describedby={scope.sensitive ? `${id}-more` : undefined}
      />
      <label htmlFor={id}>
        <bdi>{scope.description}</bdi>{" "}
        {scope.sensitive && (
          <span className="aa-badge" data-kind="sensitive">
            {strings.grant.sensitive}
          </span>
        )}
        <span className="aa-scope">
          <code dir="ltr">{scope.name}</code>
        </span>
      </label>
      {scope.sensitive && isChosen && (
        <p className="aa-hint" id={`${id}-more`}>
          {strings.grant.sensitiveHint}
        </p>
      )}
    </div>
  );
}

/** In the order in which the app lists them. */
function byCategory(scopes: Scope[], other: string): [string, Scope[]][] {
  const groups = new Map<string, Scope[]>();
  for (const scope of scopes) {
    const category = scope.category ?? other;
    groups.set(category, [...(groups.get(category) ?? []), scope]);
  }
  return [...groups];
}
