import { useState } from "react";
import { useAction } from "../../../react/src/resource.js";
import { appsOf } from "../api.js";
import { useLanguage } from "../language.js";
import { usePage } from "../paging.js";
import { go, hrefOf, Link } from "../router.js";
import { useSession } from "../session.js";
import { Form, LinesField, TextField } from "../ui/form.js";
import { Badge, Empty, Pager, Table, Time, useSay, View, Waiting } from "../ui/parts.js";
import { PlanBadge } from "./Plans.js";

export function Apps() {
  const { strings } = useLanguage();
  const words = strings.apps;
  const { rights } = useSession();
  const apps = usePage((cursor, signal) => appsOf.list(cursor, signal), "apps");
  const create = rights.canCreateApps && (
    <Link className="button main" href={hrefOf("/apps/new")}>
      {words.create}
    </Link>
  );
  return (
    <View title={words.title} intro={words.intro} beside={create}>
      <Waiting of={apps} />
      {apps.data?.apps.length === 0 && (
        <Empty title={words.none}>
          <p>{words.noneHint}</p>
        </Empty>
      )}
      {apps.data && apps.data.apps.length > 0 && (
        <Table heads={[words.name, words.plan, words.created]} label={words.title}>
          {apps.data.apps.map((app) => (
            <tr key={app.app_id} data-over={app.deleted_at ? true : undefined}>
              <th scope="row">
                <Link className="row-link" href={hrefOf(`/apps/${app.app_id}`)}>
                  <bdi>{app.name}</bdi>
                </Link>
                {app.deleted_at && <Badge tone="bad">{words.deleted}</Badge>}
                <code dir="ltr">{app.app_id}</code>
              </th>
              <td data-name={words.plan}>
                <PlanBadge plan={app.plan} />
              </td>
              <td data-name={words.created}>
                <Time at={app.created_at} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager of={apps} />
    </View>
  );
}

export function NewApp() {
  const { strings } = useLanguage();
  const words = strings.apps;
  const say = useSay();
  const [name, setName] = useState("");
  const { rights, renew } = useSession();
  const [description, setDescription] = useState("");
  const [isNameless, setNameless] = useState(false);
  const create = useAction(async () => {
    const text = description.trim();
    const app = await appsOf.create({ name: name.trim(), ...(text && { description: text }) });
    // whoever makes an app is its owner
    if (!rights.isOperator) await renew();
    say(words.createdNow);
    go(hrefOf(`/apps/${app.app_id}/keys`));
  });
  const submit = () => {
    setNameless(name.trim() === "");
    if (name.trim() !== "") void create.run();
  };
  return (
    <View
      title={words.newTitle}
      intro={words.newIntro}
      above={<Crumb to="/apps" text={words.title} />}
    >
      <div className="card narrow">
        <Form
          action={create}
          submit={words.create}
          onSubmit={submit}
          onCancel={() => go(hrefOf("/apps"))}
        >
          <TextField
            label={words.name}
            hint={words.nameHint}
            mistake={isNameless ? words.nameless : null}
            value={name}
            onValue={setName}
            maxLength={100}
            required
          />
          <LinesField
            label={`${words.description} (${strings.optional})`}
            hint={words.descriptionHint}
            value={description}
            onValue={setDescription}
            rows={3}
            maxLength={300}
          />
        </Form>
      </div>
    </View>
  );
}

/** The way back to what this belongs to. */
export function Crumb({ to, text }: { to: string; text: string }) {
  return (
    <nav className="crumb">
      <Link href={hrefOf(to)}>
        <span aria-hidden="true" className="arrow">
          ←
        </span>{" "}
        {text}
      </Link>
    </nav>
  );
}
