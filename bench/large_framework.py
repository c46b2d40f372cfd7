"""A coding framework of thousands of leaves, generated: a known one with branches of made-up codes beside it.

The made-up codes are of the same world (aid, services, complaints), so that they compete with the known ones.
"""

from itertools import product

from schemas.frameworks import Code, CodingFramework

ASPECTS = (
    "Late {}", "Too few {}", "Broken {}", "Wrong kind of {}", "Unfair sharing of {}", "High price of {}",
    "Theft of {}", "Requests for {}", "Questions about {}", "Thanks for {}", "Bad quality of {}", "Rumours about {}",
    "Unsafe {}", "{} promised but not given", "{} sold on the market", "{} for children", "{} for older people",
    "{} for people with disabilities", "Repair of {}", "Training on {}", "Committee for {}", "Staff conduct around {}",
    "Transport of {}", "Storage of {}", "Information on {}",
)  # fmt: skip
THINGS = (
    "blankets", "tarpaulins", "water tanks", "latrines", "school books", "teachers", "ambulances", "medicine",
    "vaccines", "midwives", "cash cards", "food parcels", "flour", "cooking oil", "seeds", "tools", "fishing nets",
    "goats", "cattle feed", "solar lamps", "radios", "charging stations", "bus tickets", "boats", "bridges", "roads",
    "street lights", "fences", "locks", "tents", "mattresses", "stoves", "firewood", "soap", "hygiene kits", "diapers",
    "wheelchairs", "glasses", "bicycles", "phones", "SIM cards", "legal papers", "birth certificates", "work permits",
    "sewing machines", "loans", "wages", "toys", "playgrounds", "footballs", "notice boards", "translators",
    "loudspeakers", "leaflets", "surveys", "wells", "pumps", "hoses", "filters", "buckets", "drains", "rubbish bins",
    "sandbags", "rope", "nails", "timber", "bricks", "cement", "paint", "doors", "windows", "roofs", "beds", "chairs",
    "tables", "pots", "plates", "spoons", "cups", "clothes", "shoes", "coats", "gloves", "hats", "umbrellas",
    "mosquito nets",
    "insecticide", "fertiliser", "ploughs", "tractors", "mills", "ovens", "fridges", "generators", "fuel", "cables",
    "batteries", "meters", "taps", "showers", "mirrors", "combs", "scissors", "bandages", "gauze", "masks",
    "thermometers", "scales", "registers", "ledgers", "stamps", "envelopes", "pens", "notebooks", "uniforms", "bags",
)  # fmt: skip


def enlarged(framework: CodingFramework, leaves: int) -> CodingFramework:
    """The framework with made-up codes, so that it has about so many leaves; at most 3,000 are made up."""
    missing = leaves - sum(not path[-1].children for path in framework.paths())
    made: dict[str, list[Code]] = {}
    for number, (thing, aspect) in enumerate(product(THINGS, ASPECTS)):
        if number >= missing:
            break
        made.setdefault(thing, []).append(Code(id=f"made-{number}", name=aspect.format(thing).capitalize()))
    branches = tuple(
        Code(id=f"made-{thing}", name=thing.capitalize(), children=tuple(codes)) for thing, codes in made.items()
    )
    return framework.model_copy(update={"root_codes": (*framework.root_codes, *branches)})
