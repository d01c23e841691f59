"""The ten most used chat templates, each in our own words after its public definition: the model's card, or the page
that describes its prompt format. What matters is what they write, which the tests spell out."""

from __future__ import annotations

from dataclasses import dataclass

CHATML = (
    # OpenAI's Chat Markup Language, as Qwen2.5 has it: a system turn of its own where the data has none, tools.
    "{%- if tools %}<|im_start|>system\n"
    "{{ messages[0].content if messages[0].role == 'system' else 'You are helpful.' }}\n\n# Tools\n"
    "{%- for tool in tools %}{{ '\n' + (tool | tojson) }}{% endfor %}{{ '<|im_end|>\n' }}"
    "{%- elif messages[0].role != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif -%}"
    "{%- for message in messages %}"
    "{%- if message.role == 'tool' %}"
    "{{- '<|im_start|>user' if loop.first or messages[loop.index0 - 1].role != 'tool' else '' }}"
    "\n<tool_response>\n{{ message.content }}\n</tool_response>"
    "{{- '<|im_end|>\n' if loop.last or messages[loop.index0 + 1].role != 'tool' else '' }}"
    "{%- elif not (tools and loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + ('\n' + message.content if message.content else '') }}"
    "{%- for call in message.tool_calls or [] %}"
    "{{- '\n<tool_call>\n' + (call.function | tojson) + '\n</tool_call>' }}{% endfor %}"
    "{{- '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_2 = (
    "{%- set system = '' %}{% set rest = messages %}"
    "{%- if messages[0].role == 'system' %}"
    "{% set system = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}{% set rest = messages[1:] %}{% endif %}"
    "{%- for message in rest %}"
    "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate') }}{% endif %}"
    "{%- if message.role == 'user' %}"
    "{{- bos_token + '[INST] ' + (system if loop.first else '') + message.content.strip() + ' [/INST]' }}"
    "{%- else %}{{ ' ' + message.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{%- for message in messages %}"
    "{{- (bos_token if loop.first else '') + '<|start_header_id|>' }}"
    "{{- 'ipython' if message.role == 'tool' else message.role }}"
    "{{- '<|end_header_id|>\n\n' }}"
    "{%- if message.tool_calls %}{% set call = message.tool_calls[0].function %}"
    "{{- '{\"name\": \"' + call.name + '\", \"parameters\": ' + (call.arguments | tojson) + '}' }}"
    "{%- elif message.role == 'tool' %}{{ message.content | tojson }}"
    "{%- else %}{{ message.content | trim }}{% endif %}{{ '<|eot_id|>' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    # The third version of its tokenizer: tools stand before the last user's turn, wherever that is.
    "{%- set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{{ bos_token }}{% for message in messages %}"
    "{%- if message.role == 'user' %}"
    "{%- if tools and loop.index0 == ns.last %}{{ '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}"
    "{% endif %}{{ '[INST] ' + message.content + '[/INST]' }}"
    "{%- elif message.tool_calls %}{{ '[TOOL_CALLS] ' + (message.tool_calls | map(attribute='function') | list "
    "| tojson) + eos_token }}"
    "{%- elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}"
    "{%- elif message.role == 'tool' %}{{ '[TOOL_RESULTS] ' + message.content + '[/TOOL_RESULTS]' }}"
    "{%- else %}{{ raise_exception('only user, assistant and tool') }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{%- for message in messages %}"
    "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}"
    "{{- (message.content | trim) + '<end_of_turn>\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI_3 = (
    # Ends the whole text with a token of its own where no answer is asked for.
    "{%- for message in messages %}{% if message.role in ['system', 'user', 'assistant'] %}"
    "{{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}{% endif %}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
ZEPHYR = (
    # TinyLlama's too.
    "{%- for message in messages %}{{ '<|' + message.role + '|>\n' + message.content + eos_token + '\n' }}"
    "{%- if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
)
QWEN_3 = (
    # Reasoning stays with answers to the last question and is dropped from all before it.
    "{%- set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for message in messages %}"
    "{%- set content = message.content or '' %}{% set thought = message.reasoning_content or '' %}"
    "{%- if not thought and '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].split('<think>')[-1].strip('\n') %}"
    "{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.role == 'assistant' and loop.index0 > ns.last %}"
    "{{- '<think>\n' + thought + '\n</think>\n\n' }}{% endif %}{{ content + '<|im_end|>\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEEPSEEK_R1 = (
    # Opens each answer with <think>, and never writes an answer's reasoning again.
    "{{ bos_token }}{% for message in messages %}"
    "{%- if message.role == 'user' %}{{ '<|User|>' + message.content }}"
    "{%- elif message.role == 'assistant' %}"
    "{{- '<|Assistant|>' + message.content.split('</think>')[-1] + eos_token }}"
    "{%- else %}{{ message.content }}{% endif %}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}"
)
SMOLLM_3 = (
    # With marks around what the assistant says, its header among it.
    "{%- for message in messages %}{% if message.role == 'assistant' %}"
    "{% generation %}{{ '<|im_start|>assistant\n' + message.content + '<|im_end|>\n' }}{% endgeneration %}"
    "{%- else %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Published:
    """A template with the tokens of its model."""

    template: str
    end_of_turn: str
    """Ends the assistant's turns."""
    special: tuple[str, ...] = ()
    bos: str | None = None
    eos: str = "<|endoftext|>"


_IM = ("<|im_start|>", "<|im_end|>")
PUBLISHED = {
    "chatml": Published(CHATML, "<|im_end|>", _IM),
    "llama 2": Published(LLAMA_2, "</s>", bos="<s>", eos="</s>"),
    "llama 3": Published(
        LLAMA_3, "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), bos="<|begin_of_text|>",
        eos="<|end_of_text|>",
    ),
    "mistral": Published(
        MISTRAL, "</s>", ("[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
                          "[TOOL_RESULTS]", "[/TOOL_RESULTS]"), bos="<s>", eos="</s>",
    ),
    "gemma": Published(GEMMA, "<end_of_turn>", ("<start_of_turn>", "<end_of_turn>"), bos="<bos>", eos="<eos>"),
    "phi 3": Published(PHI_3, "<|end|>", ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")),
    "zephyr": Published(ZEPHYR, "</s>", ("<|system|>", "<|user|>", "<|assistant|>"), bos="<s>", eos="</s>"),
    "qwen 3": Published(QWEN_3, "<|im_end|>", _IM),
    "deepseek r1": Published(
        DEEPSEEK_R1, "<|end_of_sentence|>", ("<|User|>", "<|Assistant|>"), bos="<|begin_of_sentence|>",
        eos="<|end_of_sentence|>",
    ),
    "smollm 3": Published(SMOLLM_3, "<|im_end|>", _IM),
}  # fmt: skip
