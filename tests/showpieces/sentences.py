"""Sentences for MiniLM and Whisper, made up for this."""

from __future__ import annotations

from typing import Final

PAIRS: Final = (
    ("The engine waits on the turntable.", "A locomotive is standing on the turntable."),
    ("The engine waits on the turntable.", "She bought three lemons at the market."),
    ("Our train is late because of the snow.", "Snow has delayed the train."),
    ("Our train is late because of the snow.", "The snow has not delayed any train."),
    ("A child is feeding the ducks.", "Ducks are being fed by a kid."),
    ("A child is feeding the ducks.", "Interest rates were raised again."),
    ("How do I reset my password?", "I forgot my password, what now?"),
    ("How do I reset my password?", "How do I bake bread?"),
    ("The soup needs more salt.", "This broth is not salty enough."),
    ("The soup needs more salt.", "The soup is far too salty."),
    ("Two guitars and a drum.", "A small band plays music."),
    ("Two guitars and a drum.", "The court adjourned until Monday."),
    ("He repaired the leaking roof.", "The roof was leaking, and he fixed it."),
    ("He repaired the leaking roof.", "The roof repaired him."),
    ("Das Wetter ist heute schön.", "The weather is nice today."),
    ("x = 3; y = x + 4", "Add four to three."),
    ("a", "The quick brown fox jumps over the lazy dog, and then it does the same again, slowly."),
    ("BREAKING: prices fall!", "prices fall"),
    ("naïve café résumé", "naive cafe resume"),
    ("The same sentence twice.", "The same sentence twice."),
)
"""Of all kinds: alike, unlike, contradictions, accents, one word, another language."""

KINDS: Final = {
    "food": (
        "apple", "bread", "cheese", "soup", "pancake", "noodle", "sausage", "omelette", "biscuit", "salad", "burger",
        "pizza", "cucumber", "tomato", "potato", "carrot", "onion", "cabbage", "lemon", "cherry", "peach", "grape",
        "melon", "banana", "strawberry", "yogurt", "butter", "honey", "jam", "cake", "pie", "pudding", "steak", "ham",
        "bacon", "dumpling", "risotto", "lasagna", "taco", "muffin", "waffle", "croissant", "pretzel", "popcorn",
        "chocolate", "caramel", "mustard", "mushroom", "spinach", "pumpkin",
    ),
    "animal": (
        "horse", "cow", "sheep", "goat", "donkey", "rabbit", "hamster", "squirrel", "hedgehog", "badger", "otter",
        "beaver", "wolf", "fox", "bear", "lion", "tiger", "leopard", "elephant", "giraffe", "zebra", "hippo", "rhino",
        "camel", "kangaroo", "koala", "panda", "monkey", "gorilla", "dolphin", "whale", "shark", "seal", "penguin",
        "eagle", "owl", "sparrow", "parrot", "swan", "duck", "goose", "chicken", "turtle", "lizard", "snake", "frog",
        "spider", "beetle", "butterfly", "moose",
    ),
    "clothing": (
        "shirt", "sweater", "jacket", "coat", "scarf", "glove", "hat", "cap", "sock", "shoe", "boot", "sandal",
        "slipper", "dress", "skirt", "blouse", "trousers", "jeans", "shorts", "belt", "tie", "vest", "cardigan",
        "pullover", "raincoat", "hoodie", "pajamas", "bathrobe", "swimsuit", "bikini", "apron", "tuxedo", "kimono",
        "poncho", "shawl", "mitten", "beret", "bonnet", "tights", "leggings", "overalls", "blazer", "tunic", "gown",
        "corset", "turtleneck", "sneaker", "parka", "waistcoat", "kilt",
    ),
    "vehicle": (
        "car", "bus", "truck", "van", "taxi", "tram", "train", "locomotive", "bicycle", "motorcycle", "scooter",
        "tractor", "bulldozer", "excavator", "ambulance", "limousine", "jeep", "caravan", "trailer", "wagon",
        "carriage", "sled", "ferry", "yacht", "canoe", "kayak", "sailboat", "steamship", "submarine", "tanker",
        "freighter", "gondola", "raft", "airplane", "helicopter", "glider", "airship", "balloon", "rocket",
        "spaceship", "shuttle", "tandem", "tricycle", "minibus", "trolleybus", "hovercraft", "snowmobile",
        "speedboat", "convertible", "lorry",
    ),
}  # fmt: skip
"""Fifty words of four kinds. Each stands in one sentence alone, so that who has not read elsewhere what a held-out word
means has nothing to go by."""
_FRAMES: Final = (
    "She wrote about the {} for a newspaper.",
    "There is a picture of a {} on the wall.",
    "My uncle talks about his {} all day.",
    "Last night I dreamed of a {} again.",
    "Nobody knew what to say about the {}.",
)


def labelled() -> list[dict[str, str]]:
    """Rows of 200 sentences, a kind after the other, of which half is to be held out."""
    rows = []
    for index in range(50):
        for offset, (kind, words) in enumerate(KINDS.items()):
            rows.append({"text": _FRAMES[(index + offset) % len(_FRAMES)].format(words[index]), "label": kind})
    return rows


SPOKEN: Final = (
    "The train leaves the station at seven in the morning.",
    "My sister has been learning to play the piano for two years.",
    "Please close the window before it starts to rain.",
    "We walked along the river until the sun went down.",
    "The doctor told him to drink more water every day.",
    "There are many books about the history of this country.",
    "She opened the letter and began to read it out loud.",
    "The children were playing football behind the school.",
    "I would like a cup of coffee with milk and sugar.",
    "The weather will be warm and dry for the rest of the week.",
)
"""What espeak-ng says, ten sentences."""
