// Calls of the unmodified Node SDKs; prints what each call gave as JSON.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const messages = [{ role: "user", content: "Say héllo from Node 🎈" }];
const openai = new OpenAI({ apiKey: "sk-none" });
const anthropic = new Anthropic({ apiKey: "sk-ant-none" });

const cases = {
  async openai_chat() {
    const answer = await openai.chat.completions.create({ model: "gpt-4o-mini", messages });
    return answer.choices[0].message.content;
  },
  async openai_chat_stream() {
    let text = "";
    const stream = await openai.chat.completions.create({ model: "gpt-4o-mini", messages, stream: true });
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
    return text;
  },
  async openai_responses_stream() {
    let text = "";
    const stream = await openai.responses.create({ model: "gpt-5-mini", input: "Hello from Node", stream: true });
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    return text;
  },
  async anthropic_messages() {
    const answer = await anthropic.messages.create({ model: "claude-opus-4-6", max_tokens: 200, messages });
    return answer.content[0].text;
  },
  async anthropic_messages_stream() {
    const stream = anthropic.messages.stream({ model: "claude-opus-4-6", max_tokens: 200, messages });
    return await stream.finalText();
  },
};

const results = [];
for (const [name, call] of Object.entries(cases)) results.push({ case: name, text: await call() });
console.log(JSON.stringify(results));
