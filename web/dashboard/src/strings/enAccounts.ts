import type { Plural } from "../../../react/src/strings/en.js";

type Named = { name: string; hint: string };

/** What the dashboard says of developers: their accounts, links and memberships. */
export const enAccounts = {
  roles: {
    owner: { name: "Owner", hint: "Sees and changes everything of the app, and invites others." },
    viewer: { name: "Viewer", hint: "Sees everything of the app and changes nothing." },
  } as Record<"owner" | "viewer", Named>,

  links: {
    title: "Links that wait to be used",
    none: "No link waits",
    kinds: {
      sign_up: "A new account",
      sign_in: "Sign in",
      member: "Joins the app",
    } as Record<"sign_up" | "sign_in" | "member", string>,
    by: "Made by",
    until: "Works until",
    lifetime: "The link works for",
    revoke: "Take back",
    revokeTitle: "Take this link back?",
    revokeText: "Whoever has it can do nothing with it any more. You can make another.",
    revokedNow: "The link opens nothing any more.",
    madeTitle: "Your link",
    madeIntro:
      "It is shown this once and works once. Send it to that person alone: whoever opens it first comes in.",
    link: "Link",
    fromMachine: "Type this behind {path} at the dashboard’s address.",
  },

  members: {
    intro: "Developers who see this app when they sign in. Operators see every app.",
    who: "Developer",
    role: "Role",
    since: "Since",
    you: "You",
    none: "Nobody yet",
    noneHint:
      "Invite the developers of this app: they sign in by themselves and see this app alone.",
    invite: "Invite a developer",
    inviteIntro:
      "You get a link for one person. With it, they make an account or use the one they have.",
    change: "Change role",
    changeTitle: "The role of {who}",
    remove: "Remove",
    removeTitle: "Remove this developer?",
    removeText: "{who} sees nothing of {app} any more, at once. Keys and agents stay as they are.",
    leaveText: "You see nothing of {app} any more, at once. An owner can invite you again.",
    removeYes: "Yes, remove",
    removedNow: "The developer is removed.",
    lastOwner: "The app needs an owner. Make somebody else an owner first.",
  },

  developers: {
    title: "Developers",
    intro:
      "People with an account of their own. Each sees the apps of which they are a member, and no others.",
    who: "Developer",
    apps: "Apps",
    in: { one: "{n} app", other: "{n} apps" } as Plural,
    inNone: "None yet",
    since: "Since",
    statusLabel: "Status",
    status: { good: "Can sign in", suspended: "Suspended", deleted: "Deleted" },
    none: "No developer has an account",
    closed:
      "This service makes no new accounts. Start it with {flag} to let invited developers in.",
    noneHint:
      "Invite the first one. They get test keys by themselves and see their own apps alone.",
    invite: "Invite a developer",
    inviteIntro: "You get a link for one person, with which they make an account.",
    signIn: "Sign-in link",
    signInTitle: "A sign-in link for {who}",
    signInIntro:
      "For somebody who lost their passkey. It signs them in once, without any other proof.",
    suspend: "Suspend",
    suspendTitle: "Suspend this account?",
    suspendText:
      "{who} is signed out at once and cannot sign in until you resume the account. Apps, keys and agents go on.",
    suspendYes: "Yes, suspend",
    suspendedNow: "The account is suspended.",
    resume: "Resume",
    resumedNow: "The account can sign in again.",
    delete: "Delete",
    deleteTitle: "Delete this account?",
    deleteText:
      "{who} can never sign in with it again. Apps, keys and agents stay. This cannot be undone.",
    deleteYes: "Yes, delete the account",
    deletedNow: "The account is deleted.",
  },

  join: {
    asking: "Looking at the link…",
    noCode: "This address is no whole link. Open the link that you were sent, all of it.",
    bad: "This link opens nothing",
    badText:
      "It may be mistyped, used already, taken back, or too old. Ask whoever sent it for another.",
    titles: {
      sign_up: "Make your account",
      sign_in: "Sign in as {label}",
      member: "Join {app}",
    } as Record<"sign_up" | "sign_in" | "member", string>,
    texts: {
      sign_up:
        "With an account you create apps here, get keys for them, and see what agents do in them.",
      sign_in: "This link signs you in, once.",
      member: "You were invited as {role}.",
    } as Record<"sign_up" | "sign_in" | "member", string>,
    closed: "This service makes no new accounts at present. Ask whoever runs it.",
    asYou: "You join with your account, {label}.",
    until: "The link works until {time}.",
    name: "Your name",
    nameHint: "Others who work on your apps see it.",
    nameless: "Say what you are called.",
    create: "Make the account",
    createPasskey: "Make the account with a passkey",
    createPlain: "Make it without a passkey",
    signIn: "Sign in",
    join: "Join",
    asOperator:
      "You are signed in as an operator. If you go on, this browser is the new account’s.",
    toSignIn: "To the sign-in page",
  },

  profile: {
    title: "Your account",
    intro: "What others see of you, and how you sign in.",
    name: "Name",
    since: "Made on",
    id: "Account id",
    passkeys: "Passkeys",
    passkeysIntro:
      "A passkey signs you in with your fingerprint, your face or your device’s PIN. Nothing of it leaves the device.",
    noPasskeys:
      "You have no passkey yet. Without one, you need a link from whoever runs the service each time.",
    add: "Add a passkey",
    added: "Added",
    used: "Last used",
    neverUsed: "Never",
    synced: "On all your devices",
    remove: "Remove",
    removeTitle: "Remove this passkey?",
    removeText:
      "{name} signs you in no more, and every browser that signed in with it is signed out at once. Remove it from your device, too.",
    removeLast: "It is your only one: after that you need a link to sign in.",
    removedNow: "The passkey is removed.",
    addedNow: "The passkey is added.",
    elsewhere: "Passkeys work at {address} alone.",
  },

  passkey: {
    signIn: "Sign in with a passkey",
    or: "or",
    name: "Name of the passkey",
    nameHint: "So that you know it again, such as “Laptop”.",
  },

  signUp: {
    title: "Make an account",
    link: "Make an account",
    intro: "For developers of apps. A passkey signs you in: nothing to remember, nothing to leak.",
    closed: "New accounts are made with a link that whoever runs the service sends.",
    haveOne: "I have an account",
  },
};
