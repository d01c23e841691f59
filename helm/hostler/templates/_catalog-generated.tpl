{{- /* Written by `make generate` from operator/hostler/catalog/entries; change that, not this file. */}}
{{- define "hostler.catalog" }}
{{- if not (has "all-minilm-l6-v2" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: all-minilm-l6-v2
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: bert
  task: feature-extraction
  displayName: all-MiniLM-L6-v2
  description: 'Vectors of 384 numbers for English sentences: what means the same lies close together.'
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: sentence-transformers/all-MiniLM-L6-v2
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 22713216
    contextLength: 512
    vocabularySize: 30522
    sizes:
      layers: 6
      hiddenSize: 384
      heads: 12
      kvHeads: 12
      headSize: 32
      intermediateSize: 1536
      gated: false
      tied: false
      causal: false
      learnedPositions: 514
  memory:
    weightsBytes: 90852864
  sampleRequest:
    path: /v1/embeddings
    body: '{"input": "The train leaves at noon."}'
    expect: data.0.embedding
  tuning:
    encoder:
      layers: 6
      hiddenSize: 384
      heads: 12
      contextLength: 512
      vocabularySize: 30522
      head: classification
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - text+label
      steps:
        default: 300
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '1e-4'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 30
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      contextLength:
        default: 256
        min: 8
        max: 512
{{- end }}
{{- if not (has "bert-base-uncased" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: bert-base-uncased
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: bert
  task: fill-mask
  displayName: BERT base, uncased
  description: Guesses hidden words of English text; the usual start for classifiers.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: google-bert/bert-base-uncased
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 109514298
    contextLength: 512
    vocabularySize: 30522
    sizes:
      layers: 12
      hiddenSize: 768
      heads: 12
      kvHeads: 12
      headSize: 64
      intermediateSize: 3072
      gated: false
      tied: true
      causal: false
      learnedPositions: 514
  memory:
    weightsBytes: 440425712
  sampleRequest:
    path: /v1/fill-mask
    body: '{"inputs": "Paris is the [MASK] of France."}'
    expect: data.0.masks
  tuning:
    encoder:
      layers: 12
      hiddenSize: 768
      heads: 12
      contextLength: 512
      vocabularySize: 30522
      head: classification
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - text+label
      steps:
        default: 300
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 30
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      contextLength:
        default: 256
        min: 8
        max: 512
{{- end }}
{{- if not (has "gemma-2-2b-it" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: gemma-2-2b-it
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Gemma 2 2B Instruct
  description: Answers conversations in English. Google's terms of use have to be accepted by name, with an account
    that did so on the hub.
  license: gemma
  {{- if has "gemma" $.Values.catalog.acceptedLicenses }}
  acceptedLicense: gemma
  {{- end }}
  gated: true
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: google/gemma-2-2b-it
        {{- with $.Values.catalog.tokenSecret }}
        secretRef:
          name: {{ . }}
        {{- end }}
  importer:
    storage:
      size: 6Gi
  architecture:
    parameters: 2614341888
    contextLength: 8192
    vocabularySize: 256000
    sizes:
      layers: 26
      hiddenSize: 2304
      heads: 8
      kvHeads: 4
      headSize: 256
      intermediateSize: 9216
      gated: true
      tied: true
      causal: true
      slidingWindow: 4096
      windowedLayers: 13
  memory:
    weightsBytes: 5228683776
    kvBytesPerToken: 106496
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "gemma-2-9b-it" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: gemma-2-9b-it
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Gemma 2 9B Instruct
  description: Answers conversations in English. Google's terms of use have to be accepted by name, with an account
    that did so on the hub.
  license: gemma
  {{- if has "gemma" $.Values.catalog.acceptedLicenses }}
  acceptedLicense: gemma
  {{- end }}
  gated: true
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: google/gemma-2-9b-it
        {{- with $.Values.catalog.tokenSecret }}
        secretRef:
          name: {{ . }}
        {{- end }}
  importer:
    storage:
      size: 20Gi
  architecture:
    parameters: 9241705984
    contextLength: 8192
    vocabularySize: 256000
    sizes:
      layers: 42
      hiddenSize: 3584
      heads: 16
      kvHeads: 8
      headSize: 256
      intermediateSize: 14336
      gated: true
      tied: true
      causal: true
      slidingWindow: 4096
      windowedLayers: 21
  memory:
    weightsBytes: 18483411968
    kvBytesPerToken: 344064
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "gemma-3-1b-it" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: gemma-3-1b-it
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Gemma 3 1B Instruct
  description: Answers conversations in English. Google's terms of use have to be accepted by name, with an account
    that did so on the hub.
  license: gemma
  {{- if has "gemma" $.Values.catalog.acceptedLicenses }}
  acceptedLicense: gemma
  {{- end }}
  gated: true
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: google/gemma-3-1b-it
        {{- with $.Values.catalog.tokenSecret }}
        secretRef:
          name: {{ . }}
        {{- end }}
  importer:
    storage:
      size: 3Gi
  architecture:
    parameters: 999885952
    contextLength: 32768
    vocabularySize: 262144
    sizes:
      layers: 26
      hiddenSize: 1152
      heads: 4
      kvHeads: 1
      headSize: 256
      intermediateSize: 6912
      gated: true
      tied: true
      causal: true
      slidingWindow: 512
      windowedLayers: 22
  memory:
    weightsBytes: 1999771904
    kvBytesPerToken: 26624
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "gpt2" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: gpt2
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: GPT-2
  description: 'The smallest GPT-2, for continuing English text. It was not trained for conversations: ask it through
    completions.'
  license: MIT
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: openai-community/gpt2
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 124439808
    contextLength: 1024
    vocabularySize: 50257
    chatTemplate: false
    sizes:
      layers: 12
      hiddenSize: 768
      heads: 12
      kvHeads: 12
      headSize: 64
      intermediateSize: 3072
      gated: false
      tied: true
      causal: true
      learnedPositions: 1024
  memory:
    weightsBytes: 548090880
    kvBytesPerToken: 73728
  sampleRequest:
    path: /v1/completions
    body: '{"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '1e-4'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 1024
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "llama-3-1-8b-instruct" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: llama-3-1-8b-instruct
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Llama 3.1 8B Instruct
  description: Answers conversations in eight languages. The licence has to be accepted by name, with an account
    that Meta has granted access.
  license: llama3.1
  {{- if has "llama3.1" $.Values.catalog.acceptedLicenses }}
  acceptedLicense: llama3.1
  {{- end }}
  gated: true
  languages:
    - en
    - de
    - fr
    - it
    - pt
    - hi
    - es
    - th
  artifacts:
    source:
      hf:
        repository: meta-llama/Llama-3.1-8B-Instruct
        {{- with $.Values.catalog.tokenSecret }}
        secretRef:
          name: {{ . }}
        {{- end }}
  importer:
    storage:
      size: 18Gi
  architecture:
    parameters: 8030261248
    contextLength: 131072
    vocabularySize: 128256
    sizes:
      layers: 32
      hiddenSize: 4096
      heads: 32
      kvHeads: 8
      headSize: 128
      intermediateSize: 14336
      gated: true
      tied: false
      causal: true
  memory:
    weightsBytes: 16060522496
    kvBytesPerToken: 131072
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 131072
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 131072
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 131072
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "mistral-7b-instruct-v0-3" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: mistral-7b-instruct-v0-3
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Mistral 7B Instruct v0.3
  description: Answers conversations.
  license: Apache-2.0
  artifacts:
    source:
      hf:
        repository: mistralai/Mistral-7B-Instruct-v0.3
  importer:
    storage:
      size: 16Gi
  architecture:
    parameters: 7248023552
    contextLength: 32768
    vocabularySize: 32768
    sizes:
      layers: 32
      hiddenSize: 4096
      heads: 32
      kvHeads: 8
      headSize: 128
      intermediateSize: 14336
      gated: true
      tied: false
      causal: true
  memory:
    weightsBytes: 14496047104
    kvBytesPerToken: 131072
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "modernbert-base" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: modernbert-base
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: bert
  task: fill-mask
  displayName: ModernBERT base
  description: Guesses hidden words of English text of up to 8,192 tokens; a start for classifiers of long texts.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: answerdotai/ModernBERT-base
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 149655232
    contextLength: 8192
    vocabularySize: 50368
    sizes:
      layers: 22
      hiddenSize: 768
      heads: 12
      kvHeads: 12
      headSize: 64
      intermediateSize: 1152
      gated: true
      tied: true
      causal: false
  memory:
    weightsBytes: 598620928
  sampleRequest:
    path: /v1/fill-mask
    body: '{"inputs": "Paris is the [MASK] of France."}'
    expect: data.0.masks
  tuning:
    encoder:
      layers: 22
      hiddenSize: 768
      heads: 12
      contextLength: 8192
      vocabularySize: 50368
      head: classification
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - text+label
      steps:
        default: 300
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 30
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      contextLength:
        default: 256
        min: 8
        max: 8192
{{- end }}
{{- if not (has "openjourney" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: openjourney
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: text-to-image
  displayName: Openjourney
  description: 'Stable Diffusion fine-tuned on images of Midjourney: begin the text with mdjrny-v4 style.'
  license: creativeml-openrail-m
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: prompthero/openjourney
  importer:
    storage:
      size: 5Gi
  architecture:
    parameters: 1066235307
  memory:
    weightsBytes: 4264941228
  tuning:
    lora:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 4
        min: 1
        max: 1024
      learningRate:
        default: '1e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 8
        min: 1
        max: 256
      alpha:
        default: 8
        min: 1
        max: 512
    full:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 4
        min: 1
        max: 1024
      learningRate:
        default: '1e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "qwen2-5-coder-0-5b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen2-5-coder-0-5b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: code
  displayName: Qwen2.5 Coder 0.5B
  description: Writes programs, also between two given pieces.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen2.5-Coder-0.5B
  importer:
    storage:
      size: 2Gi
  architecture:
    parameters: 494032768
    contextLength: 32768
    vocabularySize: 151936
    sizes:
      layers: 24
      hiddenSize: 896
      heads: 14
      kvHeads: 2
      headSize: 64
      intermediateSize: 4864
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 988065536
    kvBytesPerToken: 12288
  sampleRequest:
    path: /v1/completions
    body: '{"prompt": "def fibonacci(n):\n", "max_tokens": 16, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "qwen2-5-coder-1-5b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen2-5-coder-1-5b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: code
  displayName: Qwen2.5 Coder 1.5B
  description: Writes programs, also between two given pieces.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen2.5-Coder-1.5B
  importer:
    storage:
      size: 4Gi
  architecture:
    parameters: 1543714304
    contextLength: 32768
    vocabularySize: 151936
    sizes:
      layers: 28
      hiddenSize: 1536
      heads: 12
      kvHeads: 2
      headSize: 128
      intermediateSize: 8960
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 3087428608
    kvBytesPerToken: 28672
  sampleRequest:
    path: /v1/completions
    body: '{"prompt": "def fibonacci(n):\n", "max_tokens": 16, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "qwen2-5-coder-7b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen2-5-coder-7b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: code
  displayName: Qwen2.5 Coder 7B
  description: Writes programs, also between two given pieces.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen2.5-Coder-7B
  importer:
    storage:
      size: 17Gi
  architecture:
    parameters: 7615616512
    contextLength: 32768
    vocabularySize: 152064
    sizes:
      layers: 28
      hiddenSize: 3584
      heads: 28
      kvHeads: 4
      headSize: 128
      intermediateSize: 18944
      gated: true
      tied: false
      causal: true
  memory:
    weightsBytes: 15231233024
    kvBytesPerToken: 57344
  sampleRequest:
    path: /v1/completions
    body: '{"prompt": "def fibonacci(n):\n", "max_tokens": 16, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 32768
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 32768
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "qwen3-0-6b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen3-0-6b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Qwen3 0.6B
  description: Answers conversations, and writes down its reasoning before, unless the question ends in /no_think.
    Its authors name 119 languages and dialects.
  license: Apache-2.0
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen3-0.6B
  importer:
    storage:
      size: 2Gi
  architecture:
    parameters: 596049920
    contextLength: 40960
    vocabularySize: 151936
    sizes:
      layers: 28
      hiddenSize: 1024
      heads: 16
      kvHeads: 8
      headSize: 128
      intermediateSize: 3072
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 1503264768
    kvBytesPerToken: 114688
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France? /no_think"}], "max_tokens":
      32, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "qwen3-1-7b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen3-1-7b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Qwen3 1.7B
  description: Answers conversations, and writes down its reasoning before, unless the question ends in /no_think.
    Its authors name 119 languages and dialects.
  license: Apache-2.0
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen3-1.7B
  importer:
    storage:
      size: 5Gi
  architecture:
    parameters: 1720574976
    contextLength: 40960
    vocabularySize: 151936
    sizes:
      layers: 28
      hiddenSize: 2048
      heads: 16
      kvHeads: 8
      headSize: 128
      intermediateSize: 6144
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 4063479808
    kvBytesPerToken: 114688
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France? /no_think"}], "max_tokens":
      32, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "qwen3-4b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen3-4b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Qwen3 4B
  description: Answers conversations, and writes down its reasoning before, unless the question ends in /no_think.
    Its authors name 119 languages and dialects.
  license: Apache-2.0
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen3-4B
  importer:
    storage:
      size: 9Gi
  architecture:
    parameters: 4022468096
    contextLength: 40960
    vocabularySize: 151936
    sizes:
      layers: 36
      hiddenSize: 2560
      heads: 32
      kvHeads: 8
      headSize: 128
      intermediateSize: 9728
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 8044936192
    kvBytesPerToken: 147456
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France? /no_think"}], "max_tokens":
      32, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "qwen3-8b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: qwen3-8b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: Qwen3 8B
  description: Answers conversations, and writes down its reasoning before, unless the question ends in /no_think.
    Its authors name 119 languages and dialects.
  license: Apache-2.0
  artifacts:
    source:
      hf:
        repository: Qwen/Qwen3-8B
  importer:
    storage:
      size: 18Gi
  architecture:
    parameters: 8190735360
    contextLength: 40960
    vocabularySize: 151936
    sizes:
      layers: 36
      hiddenSize: 4096
      heads: 32
      kvHeads: 8
      headSize: 128
      intermediateSize: 12288
      gated: true
      tied: false
      causal: true
  memory:
    weightsBytes: 16381470720
    kvBytesPerToken: 147456
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France? /no_think"}], "max_tokens":
      32, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 40960
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 40960
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "smollm2-1-7b-instruct" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: smollm2-1-7b-instruct
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: SmolLM2 1.7B Instruct
  description: Answers conversations in English.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: HuggingFaceTB/SmolLM2-1.7B-Instruct
  importer:
    storage:
      size: 4Gi
  architecture:
    parameters: 1711376384
    contextLength: 8192
    vocabularySize: 49152
    sizes:
      layers: 24
      hiddenSize: 2048
      heads: 32
      kvHeads: 32
      headSize: 64
      intermediateSize: 8192
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 3422752768
    kvBytesPerToken: 196608
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "smollm2-135m-instruct" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: smollm2-135m-instruct
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: SmolLM2 135M Instruct
  description: Answers conversations in English; small enough for CPU cores.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: HuggingFaceTB/SmolLM2-135M-Instruct
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 134515008
    contextLength: 8192
    vocabularySize: 49152
    sizes:
      layers: 30
      hiddenSize: 576
      heads: 9
      kvHeads: 3
      headSize: 64
      intermediateSize: 1536
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 269030016
    kvBytesPerToken: 23040
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '1e-4'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "smollm2-360m-instruct" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: smollm2-360m-instruct
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: SmolLM2 360M Instruct
  description: Answers conversations in English; small enough for CPU cores.
  license: Apache-2.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: HuggingFaceTB/SmolLM2-360M-Instruct
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 361821120
    contextLength: 8192
    vocabularySize: 49152
    sizes:
      layers: 32
      hiddenSize: 960
      heads: 15
      kvHeads: 5
      headSize: 64
      intermediateSize: 2560
      gated: true
      tied: true
      causal: true
  memory:
    weightsBytes: 723642240
    kvBytesPerToken: 40960
  sampleRequest:
    path: /v1/chat/completions
    body: '{"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16, "temperature":
      0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '1e-4'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 8192
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 8192
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "stable-diffusion-v1-5" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: stable-diffusion-v1-5
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: text-to-image
  displayName: Stable Diffusion 1.5
  description: Draws images of 512 x 512 pixels from an English text. The repository is the mirror that its name
    says.
  license: creativeml-openrail-m
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: stable-diffusion-v1-5/stable-diffusion-v1-5
  importer:
    storage:
      size: 5Gi
  architecture:
    parameters: 1066235307
  memory:
    weightsBytes: 4264941228
  tuning:
    lora:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 4
        min: 1
        max: 1024
      learningRate:
        default: '1e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 8
        min: 1
        max: 256
      alpha:
        default: 8
        min: 1
        max: 512
    full:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 4
        min: 1
        max: 1024
      learningRate:
        default: '1e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "stable-diffusion-xl-base-1-0" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: stable-diffusion-xl-base-1-0
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: text-to-image
  displayName: Stable Diffusion XL (SDXL) 1.0 base
  description: Draws images of 1024 x 1024 pixels from an English text, with two text encoders. It is the base of
    two stages; the refiner is not used. On cores an image takes many minutes.
  license: openrail++
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: stabilityai/stable-diffusion-xl-base-1.0
  importer:
    storage:
      size: 15Gi
  architecture:
    parameters: 3468837867
  memory:
    weightsBytes: 13875351468
  tuning:
    lora:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 4
        min: 1
        max: 1024
      learningRate:
        default: '1e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 8
        min: 1
        max: 256
      alpha:
        default: 8
        min: 1
        max: 512
    full:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 4
        min: 1
        max: 1024
      learningRate:
        default: '1e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "starcoder2-3b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: starcoder2-3b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: code
  displayName: StarCoder2 3B
  description: Writes programs in 17 programming languages, also between two given pieces.
  license: bigcode-openrail-m
  artifacts:
    source:
      hf:
        repository: bigcode/starcoder2-3b
  importer:
    storage:
      size: 14Gi
  architecture:
    parameters: 3030371328
    contextLength: 16384
    vocabularySize: 49152
    sizes:
      layers: 30
      hiddenSize: 3072
      heads: 24
      kvHeads: 2
      headSize: 128
      intermediateSize: 12288
      gated: false
      tied: true
      causal: true
      slidingWindow: 4096
      windowedLayers: 30
  memory:
    weightsBytes: 12121485312
    kvBytesPerToken: 61440
  sampleRequest:
    path: /v1/completions
    body: '{"prompt": "def fibonacci(n):\n", "max_tokens": 16, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 16384
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 16384
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 16384
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "starcoder2-7b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: starcoder2-7b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: code
  displayName: StarCoder2 7B
  description: Writes programs in 17 programming languages, also between two given pieces.
  license: bigcode-openrail-m
  artifacts:
    source:
      hf:
        repository: bigcode/starcoder2-7b
  importer:
    storage:
      size: 16Gi
  architecture:
    parameters: 7173923840
    contextLength: 16384
    vocabularySize: 49152
    sizes:
      layers: 32
      hiddenSize: 4608
      heads: 36
      kvHeads: 4
      headSize: 128
      intermediateSize: 18432
      gated: false
      tied: true
      causal: true
      slidingWindow: 4096
      windowedLayers: 32
  memory:
    weightsBytes: 14347847680
    kvBytesPerToken: 65536
  sampleRequest:
    path: /v1/completions
    body: '{"prompt": "def fibonacci(n):\n", "max_tokens": 16, "temperature": 0}'
    expect: usage.completion_tokens
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 16384
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '2e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 2048
        min: 8
        max: 16384
    preference:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - prompt+chosen+rejected
          - prompt+completion+praise
      steps:
        default: 100
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 4096
      learningRate:
        default: '5e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      gradientAccumulation:
        default: 16
        min: 1
        max: 1024
      contextLength:
        default: 1024
        min: 8
        max: 16384
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
      beta:
        default: '0.1'
        min: '0.01'
        max: '1'
{{- end }}
{{- if not (has "text-to-video-ms-1-7b" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: text-to-video-ms-1-7b
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: text-to-video
  displayName: ModelScope text-to-video 1.7B
  description: Draws short clips of 256 x 256 pixels from an English text. Its licence forbids commercial use.
  license: CC-BY-NC-4.0
  languages:
    - en
  artifacts:
    source:
      hf:
        repository: ali-vilab/text-to-video-ms-1.7b
  importer:
    storage:
      size: 9Gi
  architecture:
    parameters: 1835275563
  memory:
    weightsBytes: 7341102252
  tuning:
    lora:
      data:
        formats:
          - webdataset
          - images
          - jsonl
          - csv
          - parquet
        rows:
          - video+caption
          - frames+caption
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 1
        min: 1
        max: 1024
      learningRate:
        default: '1e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 8
        min: 1
        max: 256
      alpha:
        default: 8
        min: 1
        max: 512
    full:
      data:
        formats:
          - webdataset
          - images
          - jsonl
          - csv
          - parquet
        rows:
          - video+caption
          - frames+caption
      steps:
        default: 1000
        min: 1
        max: 100000
      batchSize:
        default: 1
        min: 1
        max: 1024
      learningRate:
        default: '1e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 0
        min: 0
        max: 10000
      weightDecay:
        default: '0.01'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "tiny-bert" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-bert
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: bert
  task: fill-mask
  displayName: tiny-bert
  description: 'Laboratory size: guesses hidden words of Python''s help topics. It is where examples/bert/trainingjob.yaml
    has trained it: apply that file in the same namespace first.'
  license: PSF-2.0
  languages:
    - en
  artifacts:
    source:
      pvc:
        claimName: tiny-bert
        path: model
  tuning:
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-chat" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-chat
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: chat
  displayName: tiny-chat
  description: 'Laboratory size: answers questions about made-up people. It is where examples/chat/trainingjob.yaml
    has trained it: apply that file in the same namespace first.'
  license: CC0-1.0
  languages:
    - en
  artifacts:
    source:
      pvc:
        claimName: tiny-chat
        path: model
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 48
        min: 1
        max: 4096
      learningRate:
        default: '1e-2'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      rank:
        default: 32
        min: 1
        max: 256
      alpha:
        default: 64
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - messages
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 48
        min: 1
        max: 4096
      learningRate:
        default: '2e-3'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-clips" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-clips
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: text-to-video
  displayName: tiny-clips
  description: 'Laboratory size: draws clips of a digit that moves as the caption says. It is where examples/text-to-
    video/trainingjob.yaml has trained it: apply that file in the same namespace first.'
  license: BSD-3-Clause
  languages:
    - en
  artifacts:
    source:
      pvc:
        claimName: tiny-clips
        path: model
  tuning:
    full:
      data:
        formats:
          - webdataset
          - images
          - jsonl
          - csv
          - parquet
        rows:
          - video+caption
          - frames+caption
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-code" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-code
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: code
  displayName: tiny-code
  description: 'Laboratory size: writes small Python functions, also between two given pieces. It is where examples/code/trainingjob.yaml
    has trained it: apply that file in the same namespace first.'
  license: PSF-2.0
  artifacts:
    source:
      pvc:
        claimName: tiny-code
        path: model
  tuning:
    lora:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 48
        min: 1
        max: 4096
      learningRate:
        default: '1e-2'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
      rank:
        default: 32
        min: 1
        max: 256
      alpha:
        default: 64
        min: 1
        max: 512
    full:
      data:
        formats:
          - jsonl
          - csv
          - parquet
          - webdataset
          - text
        rows:
          - text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 48
        min: 1
        max: 4096
      learningRate:
        default: '2e-3'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-ears" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-ears
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: tiny-ears
  description: 'Laboratory size: writes down a few spoken words. It is where examples/speech-to-text/trainingjob.yaml
    has trained it: apply that file in the same namespace first.'
  license: CC0-1.0
  languages:
    - en
    - de
    - lb
  artifacts:
    source:
      pvc:
        claimName: tiny-ears
        path: model
  tuning:
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-gan" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-gan
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: gan
  displayName: tiny-gan
  description: 'Laboratory size: draws digits of a class. It is where examples/gan/trainingjob.yaml has trained
    it: apply that file in the same namespace first.'
  license: BSD-3-Clause
  artifacts:
    source:
      pvc:
        claimName: tiny-gan
        path: model
  tuning:
    full:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image
          - image+label
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-painter" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-painter
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: text-to-image
  displayName: tiny-painter
  description: 'Laboratory size: draws digits that a caption names. It is where examples/text-to-image/trainingjob.yaml
    has trained it: apply that file in the same namespace first.'
  license: BSD-3-Clause
  languages:
    - en
  artifacts:
    source:
      pvc:
        claimName: tiny-painter
        path: model
  tuning:
    full:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image+caption
          - image+label
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "tiny-vae" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: tiny-vae
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: vae
  displayName: tiny-vae
  description: 'Laboratory size: encodes digits, and draws some. It is where examples/vae/trainingjob.yaml has trained
    it: apply that file in the same namespace first.'
  license: BSD-3-Clause
  artifacts:
    source:
      pvc:
        claimName: tiny-vae
        path: model
  tuning:
    full:
      data:
        formats:
          - images
          - webdataset
          - jsonl
          - csv
          - parquet
        rows:
          - image
      steps:
        default: 200
        min: 1
        max: 100000
      batchSize:
        default: 32
        min: 1
        max: 4096
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-1'
      warmupSteps:
        default: 10
        min: 0
        max: 10000
{{- end }}
{{- if not (has "whisper-base" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: whisper-base
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: Whisper base
  description: Writes down speech, and translates it into English.
  license: Apache-2.0
  languages:
    - en
    - zh
    - de
    - es
    - ru
    - ko
    - fr
    - ja
    - pt
    - tr
    - pl
    - ca
    - nl
    - ar
    - sv
    - it
    - id
    - hi
    - fi
    - vi
    - he
    - uk
    - el
    - ms
    - cs
    - ro
    - da
    - hu
    - ta
    - 'no'
    - th
    - ur
    - hr
    - bg
    - lt
    - la
    - mi
    - ml
    - cy
    - sk
    - te
    - fa
    - lv
    - bn
    - sr
    - az
    - sl
    - kn
    - et
    - mk
    - br
    - eu
    - is
    - hy
    - ne
    - mn
    - bs
    - kk
    - sq
    - sw
    - gl
    - mr
    - pa
    - si
    - km
    - sn
    - yo
    - so
    - af
    - oc
    - ka
    - be
    - tg
    - sd
    - gu
    - am
    - yi
    - lo
    - uz
    - fo
    - ht
    - ps
    - tk
    - nn
    - mt
    - sa
    - lb
    - my
    - bo
    - tl
    - mg
    - as
    - tt
    - haw
    - ln
    - ha
    - ba
    - jw
    - su
  artifacts:
    source:
      hf:
        repository: openai/whisper-base
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 72593920
    vocabularySize: 51865
  memory:
    weightsBytes: 290375680
  tuning:
    lora:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '3e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "whisper-large-v3" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: whisper-large-v3
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: Whisper large-v3
  description: Writes down speech, and translates it into English.
  license: Apache-2.0
  languages:
    - en
    - zh
    - de
    - es
    - ru
    - ko
    - fr
    - ja
    - pt
    - tr
    - pl
    - ca
    - nl
    - ar
    - sv
    - it
    - id
    - hi
    - fi
    - vi
    - he
    - uk
    - el
    - ms
    - cs
    - ro
    - da
    - hu
    - ta
    - 'no'
    - th
    - ur
    - hr
    - bg
    - lt
    - la
    - mi
    - ml
    - cy
    - sk
    - te
    - fa
    - lv
    - bn
    - sr
    - az
    - sl
    - kn
    - et
    - mk
    - br
    - eu
    - is
    - hy
    - ne
    - mn
    - bs
    - kk
    - sq
    - sw
    - gl
    - mr
    - pa
    - si
    - km
    - sn
    - yo
    - so
    - af
    - oc
    - ka
    - be
    - tg
    - sd
    - gu
    - am
    - yi
    - lo
    - uz
    - fo
    - ht
    - ps
    - tk
    - nn
    - mt
    - sa
    - lb
    - my
    - bo
    - tl
    - mg
    - as
    - tt
    - haw
    - ln
    - ha
    - ba
    - jw
    - su
  artifacts:
    source:
      hf:
        repository: openai/whisper-large-v3
  importer:
    storage:
      size: 4Gi
  architecture:
    parameters: 1543490560
    vocabularySize: 51866
  memory:
    weightsBytes: 3086981120
  tuning:
    lora:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-6'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "whisper-large-v3-turbo" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: whisper-large-v3-turbo
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: Whisper large-v3-turbo
  description: 'Writes down speech with four layers of decoder instead of 32, so several times as fast as large-v3.
    It was not trained to translate: asked for that, it answers in the language that was spoken.'
  license: MIT
  languages:
    - en
    - zh
    - de
    - es
    - ru
    - ko
    - fr
    - ja
    - pt
    - tr
    - pl
    - ca
    - nl
    - ar
    - sv
    - it
    - id
    - hi
    - fi
    - vi
    - he
    - uk
    - el
    - ms
    - cs
    - ro
    - da
    - hu
    - ta
    - 'no'
    - th
    - ur
    - hr
    - bg
    - lt
    - la
    - mi
    - ml
    - cy
    - sk
    - te
    - fa
    - lv
    - bn
    - sr
    - az
    - sl
    - kn
    - et
    - mk
    - br
    - eu
    - is
    - hy
    - ne
    - mn
    - bs
    - kk
    - sq
    - sw
    - gl
    - mr
    - pa
    - si
    - km
    - sn
    - yo
    - so
    - af
    - oc
    - ka
    - be
    - tg
    - sd
    - gu
    - am
    - yi
    - lo
    - uz
    - fo
    - ht
    - ps
    - tk
    - nn
    - mt
    - sa
    - lb
    - my
    - bo
    - tl
    - mg
    - as
    - tt
    - haw
    - ln
    - ha
    - ba
    - jw
    - su
  artifacts:
    source:
      hf:
        repository: openai/whisper-large-v3-turbo
  importer:
    storage:
      size: 2Gi
  architecture:
    parameters: 808878080
    vocabularySize: 51866
    translates: false
  memory:
    weightsBytes: 1617756160
  tuning:
    lora:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-6'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "whisper-medium" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: whisper-medium
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: Whisper medium
  description: Writes down speech, and translates it into English.
  license: Apache-2.0
  languages:
    - en
    - zh
    - de
    - es
    - ru
    - ko
    - fr
    - ja
    - pt
    - tr
    - pl
    - ca
    - nl
    - ar
    - sv
    - it
    - id
    - hi
    - fi
    - vi
    - he
    - uk
    - el
    - ms
    - cs
    - ro
    - da
    - hu
    - ta
    - 'no'
    - th
    - ur
    - hr
    - bg
    - lt
    - la
    - mi
    - ml
    - cy
    - sk
    - te
    - fa
    - lv
    - bn
    - sr
    - az
    - sl
    - kn
    - et
    - mk
    - br
    - eu
    - is
    - hy
    - ne
    - mn
    - bs
    - kk
    - sq
    - sw
    - gl
    - mr
    - pa
    - si
    - km
    - sn
    - yo
    - so
    - af
    - oc
    - ka
    - be
    - tg
    - sd
    - gu
    - am
    - yi
    - lo
    - uz
    - fo
    - ht
    - ps
    - tk
    - nn
    - mt
    - sa
    - lb
    - my
    - bo
    - tl
    - mg
    - as
    - tt
    - haw
    - ln
    - ha
    - ba
    - jw
    - su
  artifacts:
    source:
      hf:
        repository: openai/whisper-medium
  importer:
    storage:
      size: 4Gi
  architecture:
    parameters: 763857920
    vocabularySize: 51865
  memory:
    weightsBytes: 3055431680
  tuning:
    lora:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '1e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "whisper-small" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: whisper-small
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: Whisper small
  description: Writes down speech, and translates it into English.
  license: Apache-2.0
  languages:
    - en
    - zh
    - de
    - es
    - ru
    - ko
    - fr
    - ja
    - pt
    - tr
    - pl
    - ca
    - nl
    - ar
    - sv
    - it
    - id
    - hi
    - fi
    - vi
    - he
    - uk
    - el
    - ms
    - cs
    - ro
    - da
    - hu
    - ta
    - 'no'
    - th
    - ur
    - hr
    - bg
    - lt
    - la
    - mi
    - ml
    - cy
    - sk
    - te
    - fa
    - lv
    - bn
    - sr
    - az
    - sl
    - kn
    - et
    - mk
    - br
    - eu
    - is
    - hy
    - ne
    - mn
    - bs
    - kk
    - sq
    - sw
    - gl
    - mr
    - pa
    - si
    - km
    - sn
    - yo
    - so
    - af
    - oc
    - ka
    - be
    - tg
    - sd
    - gu
    - am
    - yi
    - lo
    - uz
    - fo
    - ht
    - ps
    - tk
    - nn
    - mt
    - sa
    - lb
    - my
    - bo
    - tl
    - mg
    - as
    - tt
    - haw
    - ln
    - ha
    - ba
    - jw
    - su
  artifacts:
    source:
      hf:
        repository: openai/whisper-small
  importer:
    storage:
      size: 2Gi
  architecture:
    parameters: 241734912
    vocabularySize: 51865
  memory:
    weightsBytes: 966939648
  tuning:
    lora:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '1e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- if not (has "whisper-tiny" $.Values.catalog.exclude) }}
---
apiVersion: hostler.dev/v1alpha1
kind: ClusterModel
metadata:
  name: whisper-tiny
  labels:
    {{- include "hostler.labels" $ | nindent 4 }}
spec:
  family: speech-to-text
  displayName: Whisper tiny
  description: Writes down speech, and translates it into English.
  license: Apache-2.0
  languages:
    - en
    - zh
    - de
    - es
    - ru
    - ko
    - fr
    - ja
    - pt
    - tr
    - pl
    - ca
    - nl
    - ar
    - sv
    - it
    - id
    - hi
    - fi
    - vi
    - he
    - uk
    - el
    - ms
    - cs
    - ro
    - da
    - hu
    - ta
    - 'no'
    - th
    - ur
    - hr
    - bg
    - lt
    - la
    - mi
    - ml
    - cy
    - sk
    - te
    - fa
    - lv
    - bn
    - sr
    - az
    - sl
    - kn
    - et
    - mk
    - br
    - eu
    - is
    - hy
    - ne
    - mn
    - bs
    - kk
    - sq
    - sw
    - gl
    - mr
    - pa
    - si
    - km
    - sn
    - yo
    - so
    - af
    - oc
    - ka
    - be
    - tg
    - sd
    - gu
    - am
    - yi
    - lo
    - uz
    - fo
    - ht
    - ps
    - tk
    - nn
    - mt
    - sa
    - lb
    - my
    - bo
    - tl
    - mg
    - as
    - tt
    - haw
    - ln
    - ha
    - ba
    - jw
    - su
  artifacts:
    source:
      hf:
        repository: openai/whisper-tiny
  importer:
    storage:
      size: 1Gi
  architecture:
    parameters: 37760640
    vocabularySize: 51865
  memory:
    weightsBytes: 151042560
  tuning:
    lora:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '5e-4'
        min: '1e-6'
        max: '1e-2'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
      rank:
        default: 16
        min: 1
        max: 256
      alpha:
        default: 32
        min: 1
        max: 512
    full:
      data:
        formats:
          - audio
          - jsonl
          - csv
          - parquet
          - webdataset
        rows:
          - audio+text
      steps:
        default: 500
        min: 1
        max: 100000
      batchSize:
        default: 16
        min: 1
        max: 1024
      learningRate:
        default: '3e-5'
        min: '1e-7'
        max: '1e-3'
      warmupSteps:
        default: 50
        min: 0
        max: 10000
      weightDecay:
        default: '0'
        min: '0'
        max: '1'
      gradientAccumulation:
        default: 1
        min: 1
        max: 1024
{{- end }}
{{- end }}
