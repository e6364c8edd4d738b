export * from "./headless.js";
export { en, type Strings } from "./strings/en.js";
export { AgentAdmitAdminPanel } from "./ui/admin/Panel.js";
export { ConnectAgentButton, type ConnectAgentButtonProps } from "./ui/ConnectAgentButton.js";
export { ConnectionsList } from "./ui/ConnectionsList.js";
export type { FrameProps } from "./ui/Frame.js";
export { AgentAdmitPanel, type AgentAdmitPanelProps } from "./ui/Panel.js";
