// Calls through the unmodified Vercel AI SDK; prints what each call gave as JSON.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

const openai = createOpenAI({ apiKey: "sk-none" });
const anthropic = createAnthropic({ apiKey: "sk-ant-none" });
const prompt = "Say héllo from the AI SDK 🎈";
const models = {
  openai_responses: openai("gpt-5-mini"),
  openai_chat: openai.chat("gpt-4o-mini"),
  anthropic_messages: anthropic("claude-opus-4-6"),
};

const results = [];
for (const [name, model] of Object.entries(models)) {
  results.push({ case: name, text: (await generateText({ model, prompt })).text });
  results.push({ case: `${name}_stream`, text: await streamText({ model, prompt }).text });
}
console.log(JSON.stringify(results));
