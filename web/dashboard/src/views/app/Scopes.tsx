import { useState } from "react";
import { useAction, useResource } from "../../../../react/src/resource.js";
import { appsOf } from "../../api.js";
import { useLanguage } from "../../language.js";
import type { App, Environment, Scope } from "../../types.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Environments } from "../../ui/Environments.js";
import { Choices, Form, LinesField, mistakeIn, TextField } from "../../ui/form.js";
import { Badge, Empty, Table, useSay, Waiting } from "../../ui/parts.js";

type Open = { what: "edit"; scope: Scope | null } | { what: "remove"; scope: Scope } | null;

/** What agents may be allowed in an app: the catalogue of one environment. */
export function Scopes({
  app,
  environment,
  canChange,
}: {
  app: App;
  environment: Environment;
  canChange: boolean;
}) {
  const { strings } = useLanguage();
  const words = strings.scopes;
  const say = useSay();
  const scopes = useResource(
    (signal) => appsOf.scopes(app.app_id, environment, signal),
    `${app.app_id} ${environment}`,
  );
  const [open, setOpen] = useState<Open>(null);
  const known = scopes.data?.scopes ?? [];
  const put = useAction(async (next: Scope[], removed?: string) => {
    const body = removed ? { scopes: next, remove: [removed] } : { scopes: next };
    await appsOf.setScopes(app.app_id, environment, body);
    setOpen(null);
    say(strings.savedNow);
    await scopes.reload();
  });
  const start = (what: Open) => {
    put.reset();
    setOpen(what);
  };
  const heads = [words.name, words.description, words.category];
  return (
    <>
      <div className="section-head">
        <p>{words.intro}</p>
        <div className="actions">
          <Environments path={`/apps/${app.app_id}/scopes`} now={environment} />
          {canChange && scopes.data && (
            <button
              type="button"
              className="button main"
              onClick={() => start({ what: "edit", scope: null })}
            >
              {words.add}
            </button>
          )}
        </div>
      </div>
      <Waiting of={scopes} />
      {scopes.data && known.length === 0 && (
        <Empty title={words.none}>
          <p>{words.noneHint}</p>
        </Empty>
      )}
      {known.length > 0 && (
        <Table heads={canChange ? [...heads, ""] : heads} label={strings.app.tabs.scopes}>
          {known.map((scope) => (
            <tr key={scope.name}>
              <th scope="row">
                <code dir="ltr" className="strong">
                  {scope.name}
                </code>
                <span className="badges">
                  {scope.sensitive && <Badge tone="warning">{words.sensitive}</Badge>}
                  {scope.admin && <Badge tone="accent">{words.admin}</Badge>}
                </span>
              </th>
              <td data-name={words.description}>
                <bdi>{scope.description}</bdi>
              </td>
              <td data-name={words.category}>
                <bdi>{scope.category ?? "–"}</bdi>
              </td>
              {canChange && (
                <td>
                  <div className="actions end">
                    <button
                      type="button"
                      className="button small"
                      aria-label={`${words.edit}: ${scope.name}`}
                      onClick={() => start({ what: "edit", scope })}
                    >
                      {words.edit}
                    </button>
                    <button
                      type="button"
                      className="button small quiet-danger"
                      aria-label={`${words.remove}: ${scope.name}`}
                      onClick={() => start({ what: "remove", scope })}
                    >
                      {words.remove}
                    </button>
                  </div>
                </td>
              )}
            </tr>
          ))}
        </Table>
      )}
      {open?.what === "edit" && (
        <EditScope
          of={open.scope}
          known={known}
          action={put}
          onSave={(scope) =>
            void put.run(
              open.scope
                ? known.map((it) => (it.name === scope.name ? scope : it))
                : [...known, scope],
            )
          }
          onClose={() => setOpen(null)}
        />
      )}
      {open?.what === "remove" && (
        <Confirm
          title={words.removeTitle}
          text={words.removeText}
          values={{ scope: <code>{open.scope.name}</code>, app: app.name }}
          yes={words.removeYes}
          action={put}
          onYes={() =>
            void put.run(
              known.filter((it) => it !== open.scope),
              open.scope.name,
            )
          }
          onNo={() => setOpen(null)}
        />
      )}
    </>
  );
}

const NAME = /^[a-z0-9_.-]+:[a-z0-9_.:-]+$/;

function EditScope({
  of,
  known,
  action,
  onSave,
  onClose,
}: {
  of: Scope | null;
  known: Scope[];
  action: ReturnType<typeof useAction<[Scope[], string?], void>>;
  onSave: (scope: Scope) => void;
  onClose: () => void;
}) {
  const { strings } = useLanguage();
  const words = strings.scopes;
  const [name, setName] = useState(of?.name ?? "");
  const [description, setDescription] = useState(of?.description ?? "");
  const [category, setCategory] = useState(of?.category ?? "");
  const [marks, setMarks] = useState({
    sensitive: of?.sensitive ?? false,
    admin: of?.admin ?? false,
  });
  const [isTried, setTried] = useState(false);
  const isKnown = !of && known.some((it) => it.name === name.trim());
  const isName = NAME.test(name.trim()) && !isKnown;
  const submit = () => {
    setTried(true);
    if (!isName || description.trim() === "") return;
    onSave({
      name: name.trim(),
      description: description.trim(),
      category: category.trim() || null,
      ...marks,
    });
  };
  return (
    <Dialog title={of ? words.edit : words.add} onClose={onClose}>
      <Form action={action} submit={strings.save} onSubmit={submit} onCancel={onClose}>
        <TextField
          label={words.name}
          hint={of ? words.nameFixed : words.nameHint}
          value={name}
          onValue={setName}
          readOnly={of !== null}
          dir="ltr"
          maxLength={64}
          spellCheck={false}
          mistake={isTried && !isName ? (isKnown ? words.nameTaken : words.badName) : null}
        />
        <LinesField
          label={words.description}
          hint={words.descriptionHint}
          value={description}
          onValue={setDescription}
          rows={2}
          maxLength={300}
          mistake={
            isTried && description.trim() === ""
              ? words.noDescription
              : mistakeIn(action.error, "description", words.noDescription)
          }
        />
        <TextField
          label={`${words.category} (${strings.optional})`}
          hint={words.categoryHint}
          value={category}
          onValue={setCategory}
          maxLength={100}
        />
        <Choices
          label={words.marks}
          kind="checkbox"
          options={[
            { value: "sensitive", text: words.sensitive, hint: words.sensitiveHint },
            { value: "admin", text: words.admin, hint: words.adminHint },
          ]}
          isChosen={(value) => marks[value]}
          onChoose={(value, isChosen) => setMarks({ ...marks, [value]: isChosen })}
        />
      </Form>
    </Dialog>
  );
}
